"""Journals: a row that was reported as saved stays, a torn one never counts."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepbench.errors import IncompleteError, RunFolderError
from stepbench.runs import journal as journal_module
from stepbench.runs.journal import Journal, RowBuffer, read_journal

ROWS = [{"key": "a", "text": "plain"}, {"key": "b", "text": "红色\u2028 \r\n \x85"}, {"key": "c", "value": None}]


def test_rows_come_back_as_they_were(tmp_path):
    path = tmp_path / "journal"
    assert read_journal(path) == []
    with Journal(path) as journal:
        journal.append(ROWS[:1])
        journal.append([])
        journal.append(ROWS[1:])
    assert read_journal(path) == ROWS
    with Journal(path) as journal:
        journal.append(ROWS[:1])
    assert read_journal(path) == [*ROWS, ROWS[0]]


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(1, 120))
def test_a_journal_cut_anywhere_loses_only_the_torn_row(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("journal") / "journal"
    with Journal(path) as journal:
        journal.append(ROWS)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    left = path.read_bytes().count(b"\n")
    assert read_journal(path) == ROWS[:left]
    with Journal(path) as journal:
        journal.append([{"key": "new"}])
    assert read_journal(path) == [*ROWS[:left], {"key": "new"}]


def test_a_torn_row_longer_than_a_block_is_cut_too(tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(b'{"key": "a"}\n{"key": "' + b"x" * 200_000)
    with Journal(path) as journal:
        journal.append([{"key": "b"}])
    assert read_journal(path) == [{"key": "a"}, {"key": "b"}]
    path.write_bytes(b"x" * 200_000)
    with Journal(path):
        pass
    assert path.read_bytes() == b""


def test_half_a_write_is_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    with Journal(path) as journal:
        journal.append(ROWS[:1])
        write = os.write

        def half(descriptor, data):
            if len(data) < 10:
                raise OSError(28, "No space left on device")
            return write(descriptor, data[: len(data) // 2])

        monkeypatch.setattr(journal_module.os, "write", half)
        with pytest.raises(IncompleteError, match=r"cannot save .*journal: No space left on device"):
            journal.append(ROWS[1:])
        monkeypatch.undo()
        assert path.read_bytes().count(b"\n") == 1
        journal.append(ROWS[2:])
    assert read_journal(path) == [ROWS[0], ROWS[2]]


def test_dev_full_is_reported():
    with pytest.raises(IncompleteError, match="cannot save /dev/full"), Journal("/dev/full") as journal:
        journal.append(ROWS)


@pytest.mark.parametrize(
    ("line", "problem"),
    [(b"nonsense", "not JSON"), (b"", "not JSON"), (b"[1]", "an object was expected, got list"), (b"3", "got int")],
)
def test_a_broken_line_is_named(tmp_path, line, problem):
    path = tmp_path / "journal"
    path.write_bytes(b'{"key": 1}\n' + line + b'\n{"key": 2}\n')
    with pytest.raises(RunFolderError, match=f"journal:2: .*{problem}"):
        read_journal(path)


def test_rows_without_a_json_form_are_refused(tmp_path):
    with Journal(tmp_path / "journal") as journal, pytest.raises(ValueError, match="not JSON compliant"):
        journal.append([{"value": float("nan")}])
    assert read_journal(tmp_path / "journal") == []


class Clock:
    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(journal_module, "time", clock)
    return clock


def test_fast_rows_are_saved_together_and_slow_ones_at_once(clock):
    saved = []
    with RowBuffer(saved.append) as rows:
        rows.add({"key": 1}, seconds=0.001)  # the first row is saved at once
        rows.add({"key": 2}, seconds=0.001)
        rows.add({"key": 3}, {"key": 4}, seconds=0.001)
        assert saved == [[{"key": 1}]]
        clock.now += 0.3
        rows.add({"key": 5}, seconds=0.001)
        assert saved[1:] == [[{"key": 2}, {"key": 3}, {"key": 4}, {"key": 5}]]
        rows.add({"key": 6}, seconds=600)  # ten minutes of work are never held back
        assert saved[2:] == [[{"key": 6}]]
        rows.add({"key": 7}, seconds=0.15)
        rows.add({"key": 8}, seconds=0.15)  # nor many small pieces that come to a moment together
        assert saved[3:] == [[{"key": 7}, {"key": 8}]]
        rows.add({"key": 9}, seconds=0.001)
    assert saved[4:] == [[{"key": 9}]]


def test_rows_are_saved_also_when_the_work_breaks_off(clock):
    saved = []

    def work():
        with RowBuffer(saved.append) as rows:
            rows.add({"key": 1}, seconds=0)
            rows.add({"key": 2}, seconds=0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert saved == [[{"key": 1}], [{"key": 2}]]
