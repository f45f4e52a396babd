"""Differences of variants from the first model, from runs of worlds with known faults."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

import stepbench
from metrics.backbones.shapes import load
from metrics.functional import frechet_distance
from stepbench.errors import NothingSelectedError
from stepbench.training.obedience_report import obedience_table
from stepbench.training.variant_report import compare_with, main, measure
from stepbench.video import read_clip
from stepbench.worlds.moving_shapes.render import render
from stepbench.worlds.moving_shapes.scene import Scene


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    metrics = ["flicker", "motion_magnitude"]
    return {
        name: stepbench.run(f"world:{name}", "moving-shapes", metrics=metrics, seeds=[0], limit=32, out=out)
        for name in ("exact", "blur2", "wrong-direction")
    }


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    monkeypatch.setattr("stepbench.training.variant_report.RESAMPLES", 6)


@pytest.fixture(scope="module")
def measured(runs):
    return {name: measure(run) for name, run in runs.items()}


@pytest.fixture
def compared(measured):
    return lambda *names: {row["metric"]: row for row in compare_with(*[measured[name] for name in names])}


def test_a_known_fault_is_the_difference(runs, compared):
    rows = compared("exact", "wrong-direction")
    asked = ["simulated annotator's score", "preferred by the simulated annotator"]
    assert list(rows) == ["caption accuracy", *asked, "flicker", "motion_magnitude", "FVD (shapes)"]
    accuracy = rows["caption accuracy"]
    table = obedience_table(runs["wrong-direction"], np.random.default_rng(0)).set_index("attribute")
    assert accuracy["tiny"] == 1
    assert accuracy["variant"] == pytest.approx(table.loc["mean", "share"])
    assert accuracy["low"] < accuracy["difference"] < accuracy["high"] < -0.15
    assert accuracy["note"].endswith("16 scenes")


def test_blur_has_less_flicker(runs, compared):
    rows = compared("exact", "blur2")
    assert rows["caption accuracy"]["difference"] == 0
    flicker, scores = rows["flicker"], {name: runs[name].scores() for name in ("exact", "blur2")}
    means = {name: one[one["metric"] == "flicker"]["value"].mean() for name, one in scores.items()}
    assert flicker["difference"] == pytest.approx(means["blur2"] - means["exact"])
    assert flicker["high"] < 0
    low, high = (f"{flicker[end] / flicker['tiny']:+.1%}" for end in ("low", "high"))
    assert flicker["note"].startswith(f"{low} to {high}; ")


def test_the_annotator_prefers_what_is_right_at_the_same_seed(compared):
    rows = compared("exact", "wrong-direction")
    score, preferred = rows["simulated annotator's score"], rows["preferred by the simulated annotator"]
    assert score["difference"] == pytest.approx(-1, abs=0.25)  # one answer less, and outlines seen on other ways
    assert (preferred["tiny"], preferred["variant"]) == (1, 0)
    rows = compared("exact", "exact")
    assert rows["preferred by the simulated annotator"]["tiny"] == 0.5
    assert rows["simulated annotator's score"]["difference"] == 0


def test_distances_are_those_from_real_clips_of_the_same_scenes(runs, compared):
    row, encoder = compared("exact", "blur2")["FVD (shapes)"], load()

    def features(clips):
        return torch.cat([encoder.features(torch.from_numpy(clip)[None]) for clip in clips])

    prompts = [runs["exact"].prompts[prompt_id] for prompt_id in runs["exact"].samples()["prompt_id"]]
    real = features([render(Scene.from_json(prompt.ground_truth), 1_000_000) for prompt in prompts])
    for name, value in (("exact", row["tiny"]), ("blur2", row["variant"])):
        made = features([read_clip(runs[name].clip(prompt.id, 0)).frames for prompt in prompts])
        assert value == pytest.approx(float(frechet_distance(made, real)), rel=1e-6)
    assert row["difference"] == pytest.approx(row["variant"] - row["tiny"])
    assert row["low"] < row["difference"] < row["high"]
    assert "32 clips of 16 scenes against as many real ones" in row["note"]


def test_runs_over_other_prompts_are_refused(measured, tmp_path):
    fewer = stepbench.run("world:exact", "moving-shapes", metrics=["flicker"], seeds=[0], limit=8, out=tmp_path)
    with pytest.raises(NothingSelectedError, match="do not have the same prompts and seeds"):
        compare_with(measured["exact"], measure(fewer))


def test_levels_that_a_run_does_not_have_are_refused(runs):
    with pytest.raises(NothingSelectedError, match="no prompts of level 3"):
        measure(runs["exact"], level=3)


def test_a_clip_that_is_not_there_is_named(runs, tmp_path):
    shutil.copytree(runs["exact"].folder, tmp_path / "cut")
    journal = tmp_path / "cut" / "samples.jsonl"
    journal.write_text("".join(journal.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    _, prompt, seed = runs["exact"].planned[-1]
    with pytest.raises(NothingSelectedError, match=f"has no clip of {prompt.id}, seed {seed}"):
        measure(stepbench.open_run(tmp_path / "cut"))


def test_the_command_prints_scores_for_the_cards(runs, capsys):
    assert main(["--tiny", str(runs["exact"].folder), "--tiny-dpo", str(runs["blur2"].folder)]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert list(scores) == ["tiny", "tiny-dpo"]
    assert [row["attribute"] for row in scores["tiny"]["obedience"]][-1] == "mean"
    assert {row["metric"] for row in scores["tiny-dpo"]["against_tiny"]} >= {"caption accuracy", "FVD (shapes)"}
