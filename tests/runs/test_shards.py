"""Shards, in one folder or in several, come to the same bytes as one process."""

from __future__ import annotations

import json

import pytest
from run_files import final_bytes, final_samples, lines

from stepbench.errors import UsageError
from stepbench.runs.plan import shard_of

RUN = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "--seeds", "0..1"]
SCORED = [*RUN, "-m", "flicker,sharpness"]


@pytest.fixture
def whole(stepbench, make_suite, workplace):
    make_suite("one", "two", "three")
    assert stepbench(*SCORED, "--run-id", "whole").code == 0
    return workplace / "runs/whole"


def status(run):
    return json.loads((run / "run.json").read_text(encoding="utf-8"))["status"]


@pytest.mark.parametrize("first", [0, 1])
def test_four_shards_in_one_folder(stepbench, workplace, whole, first):
    run = workplace / "runs/shared"
    for index in range(first, first + 4):
        ended = stepbench(*SCORED, "--run-id", "shared", "--shard", f"{index}/4")
        assert ended.code == 0
        last = index == first + 3
        assert status(run) == ("complete" if last else "partial")
        assert ("waits for the other shards" in ended.err) is not last
    assert final_bytes(run) == final_bytes(whole)
    assert final_samples(run) == final_samples(whole)


def test_four_shards_in_folders_of_their_own(stepbench, workplace, whole):
    folders = [workplace / f"machine-{index}" / "part" for index in range(4)]
    for index, folder in enumerate(folders):
        ended = stepbench(*SCORED, "--run-id", "part", "-o", folder.parent, "--shard", f"{index}/4")
        assert ended.code == 0
    merged = workplace / "runs/merged"
    assert stepbench("merge", *folders, "-o", merged).code == 0
    assert final_bytes(merged) == final_bytes(whole)
    assert final_samples(merged) == final_samples(whole)
    assert stepbench("validate", merged).code == 0
    # Merging is repeatable, and a merged run can be continued like any other.
    assert stepbench("merge", *folders, "-o", merged).code == 0
    assert stepbench(*SCORED, "--run-id", "merged").code == 0
    assert final_bytes(merged) == final_bytes(whole)


def test_merge_with_a_shard_missing_is_incomplete(stepbench, workplace, whole):
    for index in range(2):
        stepbench(*RUN, "--no-score", "--run-id", "part", "-o", f"machine-{index}", "--shard", f"{index}/4")
    ended = stepbench("merge", "machine-0/part", "machine-1/part", "-o", "runs/merged")
    assert "samples were not tried yet" in ended.err
    assert "0 failures" not in ended.err
    assert ended.code == 3
    assert "2 missing" in ended.err


def test_merge_refuses_other_plans_and_other_pixels(stepbench, workplace, whole):
    assert stepbench(*RUN, "--no-score", "--run-id", "fewer", "-L", "2").code == 0
    ended = stepbench("merge", whole, "runs/fewer", "-o", "runs/merged")
    assert ended.code == 4
    assert "only shards of one plan can be merged" in ended.err

    assert stepbench(*RUN, "--no-score", "--run-id", "other").code == 0
    journal = workplace / "runs/other/samples.jsonl"
    rows = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    rows[0]["clip_sha256"] = "0" * 64
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ended = stepbench("merge", whole, "runs/other", "-o", "runs/merged")
    assert ended.code == 2
    assert "has other pixels" in ended.err
    assert not (workplace / "runs/merged/run.json").exists()


def test_a_run_goes_on_where_its_shards_stopped(stepbench, workplace, whole):
    for index in (1, 2):
        stepbench(*SCORED, "--run-id", "mixed", "--shard", f"{index}/4")
    assert stepbench(*SCORED, "--run-id", "mixed").code == 0
    run = workplace / "runs/mixed"
    assert final_bytes(run) == final_bytes(whole)
    assert list(run.glob("samples-*")) == []
    assert stepbench(*SCORED, "--run-id", "mixed", "--shard", "1/4").code == 0
    assert final_bytes(run) == final_bytes(whole)


def test_a_shard_reports_the_failures_of_its_own_samples(stepbench, make_suite, workplace):
    make_suite("fine", "fail", "fine too", "and this")
    run = ["run", "-M", "python:toy_generators:obedient", "-t", "mini", "--no-score", "--run-id", "r", "--json"]
    good, bad = stepbench(*run, "--shard", "0/4"), stepbench(*run, "--shard", "1/4")
    assert (good.code, bad.code) == (0, 3)
    assert good.records() == [{"run": "runs/r", "status": "partial", "shard": "0/4", "samples": 1, "failures": 0}]
    assert "p2 seed 0: RuntimeError: no luck" in bad.err


def test_the_last_shard_at_work_finishes_also_when_an_earlier_one_ends_later(start, stepbench, workplace, whole):
    # Shard 0 has made all its clips and is still scoring when shard 1 ends: its scores must not be lost.
    run = workplace / "runs/r"
    first = start(*SCORED, "--run-id", "r", "--shard", "0/2", TOY_SAVE_EACH="1", TOY_SCORE_AFTER="go")
    assert first.wait_until(lambda: lines(run / "samples-0-of-2.jsonl") == 3 and any((run / "scores").iterdir()))
    second = stepbench(*SCORED, "--run-id", "r", "--shard", "1/2")
    assert (second.code, status(run)) == (0, "partial")
    (workplace / "go").touch()
    assert first.wait().code == 0
    assert status(run) == "complete"
    assert final_bytes(run) == final_bytes(whole)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("first", [0, 1])
def test_shards_cover_every_sample_once(count, first):
    samples = list(range(20))
    shards = [shard_of(samples, index, count) for index in range(first, first + count)]
    assert sorted(sample for shard in shards for sample in shard) == samples


@pytest.mark.parametrize(("index", "count"), [(5, 4), (-1, 4), (0, 0)])
def test_impossible_shards_are_refused(index, count):
    with pytest.raises(UsageError, match="--shard must be i/N"):
        shard_of([], index, count)
