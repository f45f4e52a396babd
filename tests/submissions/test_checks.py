"""Every check finds the cheat that it is there for, also where the sums were made anew."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from submitted_runs import change_json, change_rows, detail, pack_suite, results, resum, sum_up

from stepbench.api import run
from stepbench.board.badges import badge_of
from stepbench.canonical import sha256_file
from stepbench.errors import UsageError
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard, Prompt, Request, Settings
from stepbench.submissions.check import check_submission
from stepbench.suites import load_suite


class Noise:
    """Pixels in random colours, which H.264 cannot keep, in a size that it does not have."""

    card = GeneratorCard(name="toy:noise", revision="1", description="noise")

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> Settings:
        """The size of the clips, whatever is asked for."""
        return {"frames": 3, "height": 33, "width": 47, "fps": 8}

    def generate(self, request: Request) -> Clip:
        """One clip."""
        rng = np.random.default_rng([request.seed, *request.text.encode()])
        return Clip(frames=rng.integers(0, 256, size=(3, 3, 33, 47), dtype=np.uint8), fps=8.0)


STATEMENT = """\
submitter = "a team"
trained_on_suite_prompts = false
trained_on_suite_clips = false
notes = ""
"""
FLICKER = "scores/flicker@1:native.jsonl"


def test_a_run_as_it_was_made_passes_and_is_self_reported(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    before = {path: sha256_file(path) for path in run.rglob("*") if path.is_file()}
    verdict = check(run)
    assert set(results(verdict).values()) == {"passed", "skipped"}
    assert verdict.badge == "self-reported"
    assert json.loads((run / "verification.json").read_text())["badge"] == "self-reported"
    assert {path: sha256_file(path) for path in before} == before
    # The verdict itself is no stranger to a second check.
    assert results(check(run)) == results(verdict)


@pytest.mark.parametrize("name", ["clips/p0-s0.mkv", "scores/flicker@1:native.jsonl", "prompts.jsonl"])
def test_a_changed_file_is_named(place: Path, check: Callable[..., Any], name: str):
    run = place / "runs" / "stripes"
    path = run / name
    path.write_bytes(path.read_bytes() + (b"" if name.endswith("jsonl") else b"x"))
    if name.endswith("jsonl"):
        path.write_text(path.read_text(encoding="utf-8").replace(", ", ",  ", 1), encoding="utf-8")
    verdict = check(run)
    assert f"{name} is not the file that was summed" in detail(verdict, "files")
    assert verdict.badge is None


def test_files_without_a_sum_and_sums_without_a_file_are_named(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    (run / "samples-1-of-2.jsonl").write_text("")
    with (run / "SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  ../../../etc/passwd\n")
    said = detail(check(run), "files")
    assert "no file of this run: '../../../etc/passwd'" in said
    assert "'samples-1-of-2.jsonl' has no line in SHA256SUMS" in said
    (run / "SHA256SUMS").unlink()
    assert detail(check(run), "files") == "SHA256SUMS is missing"


def test_seeds_are_not_picked(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    change_json(run / "run.json", lambda info: info.update(seeds=[0, 7]))
    change_rows(run / "plan.jsonl", lambda row: row.update(seed=7 * row["seed"]), first_only=False)
    said = detail(check(run), "plan")
    assert "seed rule" in said
    assert "plan_hash does not follow from the plan" in said


def test_a_plan_with_gaps_is_named(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    lines = (run / "plan.jsonl").read_text().splitlines(keepends=True)
    (run / "plan.jsonl").write_text("".join(lines[1:]))
    verdict = check(run)
    assert "the plan is not every prompt with every seed: 5 samples, 6 wanted" in detail(verdict, "plan")
    assert "run.json plans 6 samples, plan.jsonl 5" in detail(verdict, "plan")
    assert "is not in the plan" in detail(verdict, "samples")
    assert "is not in the plan" in detail(verdict, "scores")
    (run / "plan.jsonl").write_text("".join([lines[0], lines[0], *lines[2:]]))
    assert "stands in the plan twice" in detail(check(run), "plan")


def test_another_suite_under_the_same_name_is_named(place: Path, check: Callable[..., Any], tmp_path: Path):
    run = place / "runs" / "stripes"
    other = load_suite(pack_suite(tmp_path / "mini", ["a cat", "a dog", "an easier bird", "a fourth"]))
    said = detail(check(run, suite=other), "suite")
    assert "suite 'mini' has another hash here" in said
    assert "prompt 'p2' is not that of the suite" in said
    assert "3 of 4 prompts are covered" in said
    assert "suite 'mini' is not known here" in detail(check(run, suite=None), "suite")


def test_samples_that_were_never_tried_and_clips_that_are_gone_are_named(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    (run / "clips" / "p0-s0.mkv").unlink()
    lines = (run / "samples.jsonl").read_text().splitlines(keepends=True)
    (run / "samples.jsonl").write_text("".join(lines[:-1]))
    said = detail(check(run), "samples")
    assert "was never tried" in said
    assert "clip 'clips/p0-s0.mkv' is missing" in said


def test_scores_out_of_range_or_of_other_clips_are_named(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    change_rows(run / FLICKER, lambda row: row.update(value=-3.0))
    assert "-3.0 is not between 0.0 and" in detail(check(run), "scores")
    change_rows(run / FLICKER, lambda row: row.update(clip_sha256="0" * 64))
    assert "has a score of another clip" in detail(check(run), "scores")
    change_json(run / "run.json", lambda info: info["metric_cards"]["flicker@1:native"].update(id="flicker@2:native"))
    assert "its card has the id 'flicker@2:native'" in detail(check(run), "scores")


def test_a_summary_and_a_table_that_do_not_follow_are_named(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    change_json(run / "summary.json", lambda summary: summary["metrics"][0].update(mean=0.0))
    table = pd.read_parquet(run / "scores.parquet")
    table.assign(value=table.value / 2).to_parquet(run / "scores.parquet")
    for name in ("summary.json", "scores.parquet"):
        resum(run, name)
    verdict = check(run)
    assert results(verdict)["files"] == "passed"
    assert "does not follow from the rows" in detail(verdict, "summary")
    assert "is not the rows of the journals" in detail(verdict, "table")
    pd.concat([table, table]).to_parquet(run / "scores.parquet")
    assert "24 rows, the journals have 12" in detail(check(run), "table")
    (run / "scores.parquet").write_bytes(b"PAR1 nothing PAR1")
    assert "cannot be read" in detail(check(run), "table")
    (run / "scores.parquet").unlink()
    (run / "summary.json").unlink()
    verdict = check(run)
    assert (detail(verdict, "table"), detail(verdict, "summary")) == (
        "scores.parquet is missing",
        "summary.json is missing",
    )


def test_the_statement_is_asked_for_and_read(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    assert results(check(run))["statement"] == "skipped"
    assert "contamination.toml is missing" in detail(check(run, statement_required=True), "statement")
    (run / "contamination.toml").write_text(STATEMENT)
    verdict = check(run, statement_required=True)
    assert detail(verdict, "statement").startswith("by 'a team': trained_on_suite_prompts = false")
    (run / "contamination.toml").write_text(STATEMENT.replace("false", '"no"'))
    assert "trained_on_suite_prompts must be bool, got 'no'" in detail(check(run), "statement")
    (run / "contamination.toml").write_text("=")
    assert "not TOML" in detail(check(run), "statement")
    (run / "contamination.toml").write_text("#" * (2 << 20))
    assert "more than" in detail(check(run), "statement")


def test_scores_that_are_computed_again_and_agree_are_reproduced(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    verdict = check(run, rescore=2, seed=0)
    assert verdict.badge == "reproduced"
    assert "4 scores of 2 clips agree" in detail(verdict, "rescore")
    assert len(verdict.rescored["samples"]) == 2
    assert check(run, rescore=2, seed=0).rescored == verdict.rescored
    assert badge_of(run) == "reproduced"
    # The same run remade by somebody else, with a statement, is verified.
    (run / "contamination.toml").write_text(STATEMENT)
    own = shutil.copytree(run, place / "own")
    verdict = check(run, rescore=2, remade=own)
    assert verdict.badge == "verified"
    assert "6 of 6 clips byte for byte" in detail(verdict, "remade")
    # A verdict is about the files that were there.
    resum(run, "plan.jsonl")
    assert badge_of(run) == "self-reported"
    assert badge_of(place) == "self-reported"


def test_invented_scores_are_found_though_all_files_agree(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    change_rows(run / FLICKER, lambda row: row.update(value=row["value"] * 0.99), first_only=False)
    sum_up(run)
    assert check(run).badge == "self-reported"
    verdict = check(run, rescore=3)
    assert verdict.badge is None
    assert "is stated" in detail(verdict, "rescore")
    assert badge_of(run) == "self-reported"


def test_a_bad_score_that_is_left_out_is_found(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    change_rows(run / FLICKER, lambda row: row.update(value=None, status="failed", error="oh"), first_only=False)
    sum_up(run)
    assert "failed, and" in detail(check(run, rescore=1), "rescore")


def test_an_honest_run_of_noise_in_an_odd_size_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stepbench.provenance.distributions", list)
    suite = load_suite(pack_suite(tmp_path / "mini", ["a cat", "a dog"]))
    made = run(Noise(), suite, metrics=["flicker"], out=tmp_path / "runs", run_id="noise")
    verdict = check_submission(made.folder, suite=suite, rescore=2)
    assert verdict.badge == "reproduced", detail(verdict, "rescore")


def test_a_preview_of_another_clip_is_found(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    clips = sorted((run / "clips").glob("*.mp4"))
    shutil.copyfile(clips[1], clips[0])
    assert f"clips/{clips[0].name} shows something else than" in detail(check(run, rescore=6), "rescore")


def test_a_clip_that_is_not_as_large_as_its_row_says_is_not_scored(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    change_rows(run / "samples.jsonl", lambda row: row.update(frames=3), first_only=False)
    sum_up(run)
    assert "is not 3 frames of 16x16" in detail(check(run, rescore=1), "rescore")
    change_rows(run / "samples.jsonl", lambda row: row.update(frames=5), first_only=False)
    sum_up(run)
    assert "has 4 frames, 5 in its row" in detail(check(run, rescore=1), "rescore")
    change_rows(run / "samples.jsonl", lambda row: row.update(frames=10**6, height=10**6), first_only=False)
    sum_up(run)
    assert "is not decoded here" in detail(check(run, rescore=1), "rescore")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"direction": "higher"}, "direction is 'higher' in its card, here 'lower'"),
        ({"name": "prettiness"}, "prettiness"),
        ({"options": {"weights": "/etc/passwd"}}, "which is not opened for a submission"),
    ],
)
def test_metrics_that_are_not_ours_are_found(
    place: Path, check: Callable[..., Any], change: dict[str, Any], match: str
):
    run = place / "runs" / "stripes"
    change_json(run / "run.json", lambda info: info["metric_cards"]["flicker@1:native"].update(change))
    sum_up(run)
    assert match in detail(check(run, rescore=1), "metrics")


def test_a_run_that_was_made_otherwise_is_not_verified(place: Path, check: Callable[..., Any]):
    run = place / "runs" / "stripes"
    own = Path(shutil.copytree(run, place / "own"))
    change_rows(own / "samples.jsonl", lambda row: row.update(clip_sha256="1" * 64))
    for file in (own / "scores").iterdir():
        change_rows(file, lambda row: row.update(clip_sha256="1" * 64, value=row["value"] + 0.1))
    assert "is stated" in detail(check(run, remade=own), "remade")
    for file in (own / "scores").iterdir():
        file.write_text("")
    assert "no score says that it is as good" in detail(check(run, remade=own), "remade")
    change_rows(own / "samples.jsonl", lambda row: row.update(outcome="failed"))
    assert "is ok, and failed in the other run" in detail(check(run, remade=own), "remade")
    change_json(own / "run.json", lambda info: info.update(plan_hash="2" * 64))
    assert detail(check(run, remade=own), "remade") == "the other run has another plan"


def test_an_archive_is_checked_and_taken_over(place: Path, check: Callable[..., Any], tmp_path: Path):
    run = place / "runs" / "stripes"
    (run / "verification.json").write_text('{"badge": "verified"}')
    archive = tmp_path / "handed-in.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(run, "stripes")
    board_runs = tmp_path / "accepted"
    board_runs.mkdir()
    assert check(archive).badge == "self-reported"
    assert list(board_runs.iterdir()) == []
    assert check(archive, accept=board_runs, rescore=1).badge == "reproduced"
    assert [path.name for path in board_runs.iterdir()] == ["stripes"]
    assert badge_of(board_runs / "stripes") == "reproduced"
    with pytest.raises(UsageError, match="there is a run 'stripes' in"):
        check(archive, accept=board_runs)
    assert [path.name for path in board_runs.iterdir()] == ["stripes"]
    with pytest.raises(UsageError, match="no folder of runs at"):
        check(archive, accept=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="--accept is for archives"):
        check(run, accept=board_runs)
    with pytest.raises(UsageError, match="no submission at"):
        check(tmp_path / "nothing.zip")
    with pytest.raises(UsageError, match="--rescore counts clips, got -1"):
        check(run, rescore=-1)
