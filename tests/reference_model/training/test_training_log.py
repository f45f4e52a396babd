"""The log: rows are appended, new columns make room, rows of steps to be made again are dropped."""

from __future__ import annotations

import csv
import math
import os
import sys
import types

import pytest

from reference_model.training.log import TrainingLog


@pytest.fixture
def file(tmp_path):
    return tmp_path / "log.csv"


def rows(file):
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_rows_are_appended_to_the_same_file(file):
    with TrainingLog(file, start=0) as log:
        log.add(1, {"loss": 0.5, "psnr": 20.0})
        inode = os.stat(file).st_ino
        log.add(2, {"psnr": 1 / 3, "loss": math.nan})
        log.add(3, {"loss": 0.25})
        assert os.stat(file).st_ino == inode
    assert file.read_bytes() == b"step,loss,psnr\r\n1,0.5,20\r\n2,,0.333333\r\n3,0.25,\r\n"


def test_a_new_column_is_empty_in_older_rows(file):
    with TrainingLog(file, start=0) as log:
        log.add(1, {"loss": 0.5})
        log.add(2, {"loss": 0.4, "test_psnr": 30.0})
        log.add(3, {"loss": 0.3})
    assert [row["test_psnr"] for row in rows(file)] == ["", "30", ""]
    assert list(rows(file)[0]) == ["step", "loss", "test_psnr"]


@pytest.mark.parametrize(("start", "kept"), [(0, []), (2, ["1", "2"]), (9, ["1", "2", "3"])])
def test_rows_after_the_checkpoint_are_dropped(file, start, kept):
    with TrainingLog(file, start=0) as log:
        for step in (1, 2, 3):
            log.add(step, {"loss": 1.0})
    with TrainingLog(file, start=start) as log:
        assert [row["step"] for row in rows(file)] == kept
        log.add(10, {"loss": 2.0})
    assert [row["step"] for row in rows(file)] == [*kept, "10"]


@pytest.mark.parametrize("lost", range(1, 9))
def test_a_row_that_was_cut_off_is_dropped(file, lost):
    with TrainingLog(file, start=0) as log:
        for step in (8, 9, 10):
            log.add(step, {"loss": 1.5})
    file.write_bytes(file.read_bytes()[:-lost])
    with TrainingLog(file, start=9) as log:
        log.add(10, {"loss": 1.75})
    assert [(row["step"], row["loss"]) for row in rows(file)] == [("8", "1.5"), ("9", "1.5"), ("10", "1.75")]


def test_tensorboard_gets_the_same_figures(file, monkeypatch):
    written = []

    class Writer:
        def __init__(self, folder, purge_step):
            written.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def close(self):
            written.append("closed")

    module = types.ModuleType("tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    with TrainingLog(file, start=4) as log:
        log.add(5, {"loss": 0.5})
    assert written == [(str(file.parent / "tensorboard"), 5), ("loss", 0.5, 5), "closed"]


def test_without_tensorboard_there_is_the_file(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with TrainingLog(file, start=0) as log:
        log.add(1, {"loss": 0.5})
    assert [path.name for path in file.parent.iterdir()] == ["log.csv"]
