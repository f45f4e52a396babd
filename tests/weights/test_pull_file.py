"""`stepbench weights pull` of a file: real downloads from this machine, whole, broken, resumed, wrong."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import pytest

from metrics.weights import WEIGHTS, PublishedWeights, find_weights

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "judge.onnx"


@pytest.fixture
def published(publisher, folder, monkeypatch):
    """The publisher offers CONTENT, and the catalogue knows of it; `published(sha256=...)` changes what it knows."""
    publisher.files["/models/judge.onnx"] = CONTENT

    def publish(**fields):
        entry = PublishedWeights(
            name=NAME, purpose="tests", address=f"{publisher.address}/models/judge.onnx", licence="MIT", **fields
        )
        monkeypatch.setitem(WEIGHTS, NAME, entry)
        return publisher

    publish(sha256=SHA256)
    return publish


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if path.name not in (NAME, f"{NAME}.json"))


def test_a_file_is_fetched_and_recorded(stepbench, folder, published):
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 0
    assert "judge.onnx: 3.0 MB from http://127.0.0.1:" in ended.err
    assert "(licence: MIT)" in ended.err
    assert (folder / NAME).read_bytes() == CONTENT
    assert find_weights(NAME) == folder / NAME
    record = json.loads((folder / f"{NAME}.json").read_text())
    assert record["files"] == {NAME: {"sha256": SHA256, "size": len(CONTENT)}}
    assert (record["licence"], record["name"]) == ("MIT", NAME)
    assert leftovers(folder) == []


def test_what_is_there_is_not_fetched_again(stepbench, folder, published):
    publisher = published()
    stepbench("weights", "pull", NAME)
    before = len(publisher.requests)
    ended = stepbench("weights", "pull", NAME)
    assert (ended.code, "is there already" in ended.err) == (0, True)
    assert len(publisher.requests) == before


def test_a_broken_download_is_continued_where_it_broke(stepbench, folder, published):
    publisher = published(sha256=SHA256)
    publisher.break_at = 1_200_000
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 3
    assert "broke off after 1,200,000 of 3,000,000 bytes" in ended.err
    assert "the same command continues it" in ended.err
    assert not (folder / NAME).exists()
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 0
    assert publisher.requests[-1] == ("GET", "/models/judge.onnx", "bytes=1200000-")
    assert (folder / NAME).read_bytes() == CONTENT
    assert leftovers(folder) == []


@pytest.mark.parametrize("change", ["content", "no ranges", "no tag"])
def test_a_part_of_another_file_is_never_continued(stepbench, folder, published, change):
    publisher = published(sha256="")
    publisher.tagged = change != "no tag"
    publisher.break_at = 1_000_000
    assert stepbench("weights", "pull", NAME).code == 3
    expected = CONTENT[::-1] if change == "content" else CONTENT
    publisher.files["/models/judge.onnx"] = expected
    publisher.ranges = change != "no ranges"
    assert stepbench("weights", "pull", NAME).code == 0
    assert (folder / NAME).read_bytes() == expected


def test_a_partial_file_that_is_whole_or_too_long_begins_again(stepbench, folder, published):
    publisher = published(sha256=SHA256)
    publisher.break_at = 2_999_999
    assert stepbench("weights", "pull", NAME).code == 3
    with (folder / f"{NAME}.partial").open("ab") as handle:
        handle.write(b"and more")
    assert stepbench("weights", "pull", NAME).code == 0
    assert (folder / NAME).read_bytes() == CONTENT


def test_a_damaged_part_is_found_by_the_hash_and_dropped(stepbench, folder, published):
    publisher = published(sha256=SHA256)
    publisher.break_at = 1_000_000
    assert stepbench("weights", "pull", NAME).code == 3
    part = folder / f"{NAME}.partial"
    part.write_bytes(b"\0" * part.stat().st_size)
    assert stepbench("weights", "pull", NAME).code == 3
    assert leftovers(folder) == []
    assert stepbench("weights", "pull", NAME).code == 0


def test_another_file_than_the_expected_one_is_not_kept(stepbench, folder, published):
    published(sha256="ab" * 32)
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 3
    assert f"its sha256 is {SHA256}, expected {'ab' * 32}" in ended.err
    assert list(folder.iterdir()) == []


def test_other_content_is_never_overwritten(stepbench, folder, published):
    folder.mkdir()
    (folder / NAME).write_bytes(b"mine")
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 2
    assert "holds something else" in ended.err
    assert (folder / NAME).read_bytes() == b"mine"


def test_what_changed_since_it_was_pulled_is_never_overwritten(stepbench, folder, published):
    published(sha256="")
    assert stepbench("weights", "pull", NAME).code == 0
    (folder / NAME).write_bytes(b"mine")
    ended = stepbench("weights", "pull", NAME)
    assert (ended.code, "is not what was pulled: judge.onnx changed" in ended.err) == (2, True)
    assert (folder / NAME).read_bytes() == b"mine"


def test_what_was_put_there_by_hand_is_let_be(stepbench, folder, published):
    published(sha256="")
    folder.mkdir()
    (folder / NAME).write_bytes(b"mine")
    assert stepbench("weights", "pull", NAME).code == 0
    assert (folder / NAME).read_bytes() == b"mine"
    assert leftovers(folder) == []


def test_without_a_network_the_error_says_what_to_fetch_and_where_to_put_it(stepbench, folder, monkeypatch):
    address = "http://127.0.0.1:9/judge.onnx"  # nothing listens on the discard port
    monkeypatch.setitem(WEIGHTS, NAME, PublishedWeights(name=NAME, purpose="tests", address=address, licence="MIT"))
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 12
    assert f"{address} cannot be reached" in ended.err
    assert f"put it at {folder / NAME}" in ended.err


def test_a_file_that_moved_and_a_web_page_are_told(stepbench, folder, published):
    publisher = published()
    publisher.content_type = "text/html"
    ended = stepbench("weights", "pull", NAME)
    assert (ended.code, "answers with a web page, not with a file" in ended.err) == (12, True)
    publisher.files.clear()
    ended = stepbench("weights", "pull", NAME)
    assert (ended.code, "answers 404" in ended.err) == (12, True)
    assert list(folder.iterdir()) == []


def test_a_server_that_tells_no_size_is_fine(stepbench, folder, published):
    published().sized = False
    ended = stepbench("weights", "pull", NAME)
    assert (ended.code, "size not told" in ended.err) == (0, True)
    assert (folder / NAME).read_bytes() == CONTENT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_ends_with_3(stepbench, folder, published):
    folder.mkdir()
    folder.chmod(0o500)
    assert stepbench("weights", "pull", NAME).code == 3


def test_a_place_that_is_no_folder_ends_with_3(stepbench, folder, published):
    folder.write_text("a file")
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 3


def test_two_pulls_of_one_file_do_not_mix(stepbench, folder, published):
    import fcntl

    folder.mkdir()
    with (folder / f".{NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = stepbench("weights", "pull", NAME)
        assert (ended.code, "is being pulled by another process" in ended.err) == (2, True)
    assert stepbench("weights", "pull", NAME).code == 0
    assert leftovers(folder) == []


def test_unknown_names_suggest_close_ones(stepbench, folder):
    ended = stepbench("weights", "pull", "dino-vitb6")
    assert (ended.code, "did you mean dino-vitb16" in ended.err) == (2, True)


def test_a_progress_bar_on_a_terminal_only(stepbench, folder, published, monkeypatch):
    ended = stepbench("weights", "pull", NAME)
    assert "━" not in ended.err
    (folder / NAME).unlink()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 0
    assert "━" in ended.err
    assert "3.0/3.0 MB" in ended.err
