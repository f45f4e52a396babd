"""Manifests: written by a scan, written by hand, and broken."""

from __future__ import annotations

import json
import unicodedata

import pytest

from stepbench.canonical import sha256_file
from stepbench.errors import SuiteError, UsageError
from stepbench.layouts import read_manifest, scan_folder


def write_rows(path, rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_a_scan_writes_a_manifest_that_scans_the_same(tmp_path, make_clip, make_suite):
    suite = make_suite("a cat", "a dog", "a cow")
    clip = make_clip(tmp_path / "clips" / "a cat-0.mp4")
    (tmp_path / "clips" / "a dog-0.mp4").touch()
    first = scan_folder(tmp_path / "clips", "vbench", suite)
    inside = first.write_manifest(tmp_path / "clips" / "manifest.jsonl")
    rows = [json.loads(line) for line in inside.read_text().splitlines()]
    assert rows[0] == {
        "prompt_id": "p0",
        "seed": 0,
        "path": "a cat-0.mp4",
        "sha256": sha256_file(clip),
        "status": "found",
        "reason": "",
        "prompt": "a cat",
    }
    assert [(row["status"], row["path"]) for row in rows[1:]] == [("corrupt", "a dog-0.mp4"), ("missing", None)]
    again = scan_folder(tmp_path / "clips", "manifest", suite)
    assert {**again.counts, "stray": 0} == {**first.counts, "stray": 0}
    assert [entry.status for entry in again.entries if entry.planned] == ["found", "corrupt", "missing"]
    assert again.entries[2].reason == first.entries[2].reason


def test_a_manifest_elsewhere_names_clips_by_full_path(tmp_path, make_clip, make_suite):
    suite = make_suite("a cat")
    clip = make_clip(tmp_path / "clips" / "a cat-0.mp4")
    path = scan_folder(clip.parent, "vbench", suite).write_manifest(tmp_path / "out" / "m.jsonl", name="My model")
    manifest = read_manifest(path)
    assert manifest.name == "My model"
    assert manifest.rows[0].path == str(clip)
    assert scan_folder(path, "manifest", suite).complete


def test_a_csv_by_hand_with_texts_and_seeds(tmp_path, make_clip, make_suite):
    facades = unicodedata.normalize("NFD", "façades")
    for name in ("x.mp4", "y.webm", "z.mp4"):
        make_clip(tmp_path / name)
    (tmp_path / "manifest.csv").write_text(
        f"prompt,path,seed,comment\na cat,x.mp4,42,good\n{unicodedata.normalize('NFC', facades)},y.webm,42,\n",
        encoding="utf-8",
    )
    report = scan_folder(tmp_path, "manifest", make_suite("a cat", facades, "a dog"))
    assert [(entry.prompt_id, entry.seed, entry.status) for entry in report.entries if entry.planned] == [
        ("p0", 42, "found"),
        ("p1", 42, "found"),
        ("p2", 42, "missing"),
    ]
    assert report.entries[2].reason == "no row for it in manifest.csv"
    assert {entry.path: entry.reason for entry in report.entries if entry.status == "stray"} == {
        "manifest.csv": "no video by its ending",
        "z.mp4": "not in the manifest",
    }


def test_rows_that_do_not_fit_the_suite_or_the_files(tmp_path, make_clip, make_suite):
    clip = make_clip(tmp_path / "x.mp4")
    write_rows(
        tmp_path / "manifest.jsonl",
        [
            {"prompt_id": "p0", "path": "gone.mp4"},
            {"prompt_id": "p1", "path": "x.mp4", "sha256": "0" * 64},
            {"prompt_id": "p9", "path": "x.mp4"},
            {"prompt_id": "p2", "prompt": "another text", "path": "./x.mp4"},
            {"prompt": "no such text", "path": "x.mp4"},
            {"prompt_id": "of another suite", "prompt": "a horse", "path": "x.mp4"},
        ],
    )
    report = scan_folder(tmp_path, "manifest", make_suite("a cat", "a dog", "a cow", "a horse"))
    assert [(entry.prompt_id, entry.status) for entry in report.entries if entry.planned] == [
        ("p0", "missing"),
        ("p1", "corrupt"),
        ("p2", "missing"),
        ("p3", "found"),
    ]
    assert "gone.mp4 is not there" in report.entries[0].reason
    assert report.entries[1].reason == f"sha256 is {sha256_file(clip)}, the manifest says {'0' * 64}"
    strays = sorted(entry.reason for entry in report.entries if entry.status == "stray" and entry.path == "x.mp4")
    assert [reason.partition(" (")[0] for reason in strays] == [
        "no prompt has this text",
        "suite s has no prompt p9",
        "the manifest and suite s give p2 different texts",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("manifest.jsonl", "", r"manifest\.jsonl:1: no rows"),
        ("manifest.jsonl", '{"manifest": 1, "name": "m"}\n', r"manifest\.jsonl:1: no rows"),
        ("manifest.jsonl", '{"manifest": 2}\n{"prompt_id": "a", "path": "x"}', r"manifest version 2, this program rea"),
        ("manifest.jsonl", '{"manifest": 1, "name": 3}\n{"prompt_id": "a"}', r"name must be text, got 3"),
        ("manifest.jsonl", "3\n", r"manifest\.jsonl:1: a row is an object, got 3"),
        ("manifest.jsonl", '{"path": "x"}\n', r"manifest\.jsonl:1: no `prompt_id` and no `prompt`"),
        ("manifest.jsonl", '{"prompt_id": 3, "path": "x"}\n', r"manifest\.jsonl:1: prompt_id must be text, got 3"),
        ("manifest.jsonl", '{"prompt_id": "a", "path": " "}\n', r"manifest\.jsonl:1: path must name a file"),
        ("manifest.jsonl", '{"prompt_id": "a", "path": "x", "seed": -1}\n', r"seed must be a whole number from 0 up"),
        ("manifest.jsonl", '{"prompt_id": "a", "path": "x", "seed": true}\n', r"seed must be a whole number from 0"),
        ("manifest.jsonl", '{"prompt_id": "a"}\n{"prompt_id": "a"}\n', r":2: prompt 'a' seed 0 also at .*:1"),
        ("manifest.csv", "prompt_id,seed\na,0\n", r"manifest\.csv:1: the header needs a column `path`"),
        ("manifest.csv", "prompt_id,path,seed\na,x,1.5\n", r"manifest\.csv:2: seed must be a whole number"),
    ],
)
def test_broken_manifests_are_refused(tmp_path, make_suite, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(SuiteError, match=message):
        scan_folder(tmp_path, "manifest", make_suite("a cat"))


def test_bad_arguments(tmp_path, make_suite):
    with pytest.raises(UsageError, match="no manifest at"):
        scan_folder(tmp_path, "manifest", make_suite("a cat"))
    with pytest.raises(UsageError, match="samples=2 has no meaning with a manifest"):
        scan_folder(tmp_path, "manifest", make_suite("a cat"), samples=2)
