"""`stepbench weights list` and `weights verify` of what was pulled."""

from __future__ import annotations

import hashlib
import json

import pytest

from metrics.weights import WEIGHTS, PublishedWeights

NAME = "tiny.onnx"
CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def pulled(stepbench, publisher, folder, monkeypatch):
    publisher.files["/tiny.onnx"] = CONTENT
    entry = PublishedWeights(name=NAME, purpose="tests", address=f"{publisher.address}/tiny.onnx", licence="MIT")
    monkeypatch.setitem(WEIGHTS, NAME, entry)
    assert stepbench("weights", "pull", NAME).code == 0
    return folder


def test_generators_and_metrics_are_listed_with_whether_they_are_here(stepbench, pulled):
    rows = {row["name"]: row for row in stepbench("weights", "list", "--json").records()}
    assert {"step-video-t2v", "clip-vit-base-patch32", NAME} <= set(rows)
    assert (rows[NAME]["present"], rows["dino-vitb16"]["present"]) == ("yes", "no")
    assert rows[NAME]["path"] == str(pulled / NAME)
    assert all(row["licence"] and row["purpose"] and row["used_by"] for row in rows.values())
    table = stepbench("weights", "list")
    assert "present" in table.out
    assert "no revision is pinned" in table.err
    assert stepbench("list", "weights").out == table.out


def test_what_was_pulled_verifies(stepbench, pulled):
    ended = stepbench("weights", "verify", NAME, "--json")
    assert ended.code == 0
    assert ended.records() == [{"name": NAME, "file": NAME, "finding": "ok", "sha256": SHA256, "expected": SHA256}]
    assert stepbench("weights", "verify").code == 0


def test_changed_missing_and_added_files_are_found(stepbench, pulled):
    (pulled / NAME).write_bytes(b"other")
    ended = stepbench("weights", "verify")
    assert (ended.code, "changed" in ended.out) == (3, True)
    assert "1 of 1 files are not as pulled" in ended.err


def test_folders_verify_file_by_file(stepbench, folder, monkeypatch):
    monkeypatch.setitem(
        WEIGHTS,
        "model",
        PublishedWeights(name="model", purpose="tests", address="https://huggingface.co/a/b", licence="MIT"),
    )
    (folder / "model").mkdir(parents=True)
    for name in ("a.json", "b.json", "c.json"):
        (folder / "model" / name).write_text(name)
    files = {
        name: {"sha256": hashlib.sha256(name.encode()).hexdigest(), "size": 6}
        for name in ("a.json", "b.json", "d.json")
    }
    record = {"name": "model", "address": "", "licence": "MIT", "pulled_at": "", "files": files}
    (folder / "model.json").write_text(json.dumps(record))
    (folder / "model" / "b.json").write_text("changed")
    ended = stepbench("weights", "verify", "model", "--json")
    assert ended.code == 3
    assert {row["file"]: row["finding"] for row in ended.records()} == {
        "a.json": "ok",
        "b.json": "changed",
        "c.json": "not recorded",
        "d.json": "missing",
    }
    ended = stepbench("weights", "pull", "model")
    assert (ended.code, "b.json, c.json, d.json changed, missing or added" in ended.err) == (2, True)
    (folder / "model.json").write_text("{")
    ended = stepbench("weights", "verify", "model")
    assert (ended.code, "is no record of a pull" in ended.err) == (2, True)


def test_what_was_put_there_by_hand_has_nothing_to_compare_with(stepbench, folder, monkeypatch):
    entry = PublishedWeights(name=NAME, purpose="tests", address="http://127.0.0.1:9/x", licence="MIT")
    monkeypatch.setitem(WEIGHTS, NAME, entry)
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    ended = stepbench("weights", "verify", NAME)
    assert (ended.code, "1 of 1 files have no record to compare with" in ended.err) == (3, True)
    assert SHA256 in ended.out
    monkeypatch.setitem(WEIGHTS, NAME, PublishedWeights(**{**vars(entry), "sha256": SHA256}))
    assert stepbench("weights", "verify", NAME).code == 0


def test_nothing_pulled_ends_with_5(stepbench, folder):
    ended = stepbench("weights", "verify")
    assert (ended.code, "no external weights are on this machine" in ended.err) == (5, True)
    ended = stepbench("weights", "verify", "dino-vitb16")
    assert (ended.code, "stepbench weights pull dino-vitb16" in ended.err) == (5, True)


def test_a_model_folder_that_bears_a_name_of_the_list_is_checked_as_one(stepbench, folder, workplace):
    (workplace / "step-video-t2v").mkdir()
    ended = stepbench("weights", "verify", "step-video-t2v")
    assert ended.code == 2
    assert "config" in ended.err
