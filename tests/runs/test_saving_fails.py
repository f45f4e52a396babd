"""Results that cannot be saved: exit code 3, one clear line, nothing lost, and the same command continues."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from run_files import clip_bytes, final_bytes, final_samples, lines

RUN = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "--no-score"]
TEXTS = [f"prompt number {number}" for number in range(8)]


@pytest.fixture
def whole(stepbench, make_suite, workplace):
    make_suite(*TEXTS)
    assert stepbench(*RUN, "--seeds", "0..6", "--run-id", "whole").code == 0
    return workplace / "runs/whole"


def complaint(text):
    """The one line that says what is wrong, and its hint."""
    said = [line for line in text.splitlines() if line.startswith("stepbench: ")]
    assert len(said) == 1, text
    assert "Traceback" not in text
    assert "hint: free space or mend the permissions" in text
    return said[0]


@pytest.mark.parametrize(("workers", "limit"), [(1, 22_000), (2, 22_000), (1, 9_000)])
def test_a_file_cannot_grow(start, whole, workplace, workers, limit):
    # At 22,000 bytes clips fit, but the journal does not; at 9,000 not even the first clip does.
    run, arguments = workplace / "runs/r", [*RUN, "--seeds", "0..6", "--run-id", "r"]
    ended = start(*arguments, "--workers", workers, TOY_FILE_BYTES=str(limit), TOY_SAVE_EACH="1").wait()
    assert ended.code == 3
    assert "cannot save" in complaint(ended.err)
    assert "File too large" in complaint(ended.err)
    kept = (run / "samples.jsonl").read_bytes() if (run / "samples.jsonl").exists() else b""
    assert kept.endswith(b"\n") or not kept
    assert (lines(run / "samples.jsonl") > 0) is (limit == 22_000)
    assert start(*arguments).wait().code == 0
    assert set(kept.splitlines()) <= set((run / "samples.jsonl").read_bytes().splitlines())
    assert final_bytes(run) == final_bytes(whole)
    assert final_samples(run) == final_samples(whole)
    assert clip_bytes(run) == clip_bytes(whole)


def test_a_full_disk(whole, workplace):
    """A real one, of 300 kB, that is made larger afterwards."""
    disk, kept = workplace / "disk", workplace / "kept"
    disk.mkdir()
    command = f"{sys.executable} -m stepbench {' '.join(RUN)} --seeds 0..6 -o {disk} --run-id r"
    script = f"""
        mount -t tmpfs -o size=300k none {disk} || exit 99
        {command}
        echo code $?
        wc -l < {disk}/r/samples.jsonl
        mount -o remount,size=20m {disk}
        {command}
        echo code $?
        cp -r {disk} {kept}
    """
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare program to make a small disk with")
    result = subprocess.run([*unshare, "sh", "-c", script], capture_output=True, text=True, timeout=300, check=False)
    if result.returncode == 99 or "unshare:" in result.stderr:
        pytest.skip(f"a small disk cannot be made here: {result.stderr.strip()}")
    first, rows, second = result.stdout.splitlines()
    assert (first, second) == ("code 3", "code 0")
    assert int(rows) > 0
    assert "No space left on device" in complaint(result.stderr)
    assert final_bytes(kept / "r") == final_bytes(whole)


def test_a_folder_that_became_read_only(start, whole, workplace):
    run = workplace / "runs/r"
    arguments = [*RUN, "--seeds", "0..1", "--run-id", "r"]
    assert start(*arguments).wait().code == 0
    for name in ("samples.jsonl", "summary.json"):
        (run / name).unlink()
    before = sorted(run.rglob("*"))
    folders = [run, run / "clips", run / "scores"]
    for folder in folders:
        folder.chmod(0o555)
    ended = start(*arguments, TOY_NO_PRIVILEGE="1").wait()
    for folder in folders:
        folder.chmod(0o755)
    assert ended.code == 3
    assert "Permission denied" in complaint(ended.err)
    assert sorted(run.rglob("*")) == before
    assert start(*arguments).wait().code == 0


def test_a_place_where_no_folder_can_be_made(stepbench, make_suite, workplace):
    make_suite("one")
    Path("taken").write_text("a file", encoding="utf-8")
    ended = stepbench(*RUN, "-o", "taken")
    assert ended.code == 3
    assert "cannot save taken" in complaint(ended.err)
    assert "Not a directory" in complaint(ended.err)


@pytest.mark.parametrize("journal", ["samples.jsonl", "scores/flicker@1:native.jsonl"])
def test_a_folder_in_the_place_of_a_journal(stepbench, make_suite, workplace, journal):
    make_suite("one", "two")
    arguments = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "-m", "flicker", "--run-id", "r"]
    in_the_way = workplace / "runs/r" / journal
    in_the_way.mkdir(parents=True)
    ended = stepbench(*arguments)
    assert ended.code == 3
    assert f"cannot read runs/r/{journal}: Is a directory" in ended.err
    in_the_way.rmdir()
    assert stepbench(*arguments).code == 0
