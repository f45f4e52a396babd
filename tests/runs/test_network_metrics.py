"""Metrics with networks in runs: companions, distractors, and rows that say `unavailable` where weights are missing."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

import stepbench as sb
from stepbench.runs.metric_set import choose_metrics
from stepbench.runs.score_worker import one_thread
from stepbench.suites import load_suite

sys.path.insert(0, str(Path(__file__).parent.parent / "metrics"))
from tiny_models import write_clip

NAME = "clip-vit-base-patch32"
TEXTS = ("a cat surfing", "a red kite", "two dogs")


@pytest.fixture(scope="module")
def clip_model(tmp_path_factory) -> Path:
    return write_clip(tmp_path_factory.mktemp("model") / NAME)


@pytest.fixture
def weights(workplace, monkeypatch) -> Path:
    """An empty weights folder."""
    folder = workplace / "weights"
    folder.mkdir()
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(folder))
    return folder


def install(clip_model: Path, weights: Path) -> None:
    shutil.copytree(clip_model, weights / NAME)


def statuses(run) -> dict[str, set[str]]:
    return {metric: set(rows["status"]) for metric, rows in run.scores().groupby("metric")}


def run_once(make_suite, **options):
    return sb.run("python:toy_generators:noise", make_suite(*TEXTS), out="runs", run_id="r", **options)


def test_missing_weights_are_rows_with_the_command_and_spoil_nothing_else(make_suite, weights):
    run = run_once(make_suite, metrics=["flicker", "clip_score"])
    assert statuses(run) == {
        "flicker": {"ok"},
        "clip_score": {"unavailable"},
        "clip_margin": {"unavailable"},
        "clip_tokens_cut": {"unavailable"},
    }
    errors = run.scores().query("metric == 'clip_score'")["error"]
    assert errors.str.contains(f"run `stepbench weights pull {NAME}`").all()
    assert run.info["status"] == "incomplete"
    summary = run.summary().set_index("metric")
    assert summary.loc["flicker", "coverage"] == 1
    assert summary.loc["clip_score", "coverage"] == 0
    assert pd.isna(summary.loc["clip_score", "mean"])


def test_the_command_line_says_it_and_ends_with_3(stepbench, make_suite, weights):
    suite = make_suite(*TEXTS)
    arguments = ("run", "-M", "python:toy_generators:noise", "-t", suite, "-m", "flicker,clip_score", "--run-id", "r")
    ended = stepbench(*arguments)
    assert ended.code == 3
    assert f"stepbench weights pull {NAME}" in ended.err
    again = stepbench(*arguments)
    assert again.code == 3
    assert stepbench("validate", "runs/r").code == 0


def test_once_the_weights_are_there_the_same_command_scores(make_suite, weights, clip_model):
    first = run_once(make_suite, metrics=["clip_score"])
    (without,) = [key for key in first.metric_cards if key.startswith("clip_score@")]
    install(clip_model, weights)
    run = run_once(make_suite, metrics=["clip_score"])
    assert statuses(run) == {"clip_score": {"ok"}, "clip_margin": {"ok"}, "clip_tokens_cut": {"ok"}}
    assert without not in run.metric_cards
    assert not any(path.name.startswith(f"{without}.") for path in (run.folder / "scores").iterdir())
    assert run.info["status"] == "complete"
    ids = sorted(run.metric_cards)
    shutil.rmtree(weights / NAME)
    again = run_once(make_suite, metrics=["clip_score"])
    assert sorted(again.metric_cards) == ids
    assert again.summary()["coverage"].eq(1).all()


def test_the_margin_of_a_run_is_against_its_own_prompts(make_suite, weights, clip_model):
    install(clip_model, weights)
    run = run_once(make_suite, metrics=["clip_score"])
    (margin_id,) = [key for key in run.metric_cards if key.startswith("clip_margin@")]
    assert "-vs3-" in margin_id
    import torch

    import metrics
    from stepbench.video import read_clip

    row = run.samples().iloc[1]
    margin = metrics.build("clip_margin", distractors=TEXTS)
    # Runs are scored on one thread, whatever this process has: another number rounds sums differently.
    with one_thread():
        margin.update(torch.from_numpy(read_clip(run.folder / row["clip"]).frames)[None], prompts=[row["text"]])
    value = run.scores().query("metric == 'clip_margin' and sample_key == @row.sample_key")["value"].item()
    assert value == pytest.approx(float(margin.compute()), abs=1e-9)


@pytest.mark.slow
def test_two_workers_give_the_same_bytes(make_suite, weights, clip_model):
    from run_files import final_bytes

    install(clip_model, weights)
    suite = make_suite(*TEXTS)
    runs = [
        sb.run("python:toy_generators:noise", suite, metrics=["clip_score"], run_id=f"w{workers}", workers=workers)
        for workers in (1, 2)
    ]
    assert final_bytes(runs[0].folder) == final_bytes(runs[1].folder)


def test_a_single_prompt_has_no_margin(make_suite, weights):
    suite = load_suite(make_suite("a cat"))
    chosen = choose_metrics(["clip_score"], suite.prompts)
    assert [metric.name for metric in chosen] == ["clip_score", "clip_tokens_cut"]


def test_shapes_score_works_offline_on_the_world(workplace, weights):
    run = sb.run("world:exact", "moving-shapes", metrics=["shapes_score"], limit=4, run_id="r")
    assert statuses(run) == {"shapes_score": {"ok"}, "shapes_margin": {"ok"}}
    means = run.summary().set_index("metric")["mean"]
    assert means["shapes_margin"] > 0.2


def test_metrics_are_listed_as_ready_or_with_the_command(stepbench, weights, clip_model):
    rows = {row["metric"]: row for row in stepbench("list", "metrics", "--json").records()}
    assert rows["flicker"]["status"] == rows["shapes_score"]["status"] == "ready"
    assert f"the weights {NAME} are not at" in rows["clip_score"]["status"]
    table = stepbench("list", "metrics")
    assert "unavailable: clip_score, clip_margin, clip_tokens_cut, background_consistency" in table.err
    assert f"stepbench weights pull {NAME}" in table.err
    assert "the weights" not in table.out
    install(clip_model, weights)
    rows = {row["metric"]: row for row in stepbench("list", "metrics", "--json").records()}
    assert rows["clip_score"]["status"] == "ready"


def test_unavailable_rows_survive_shards(make_suite, weights):
    suite = make_suite(*TEXTS)
    for index in (0, 1):
        run = sb.run(
            "python:toy_generators:noise", suite, metrics=["clip_score"], run_id="r", shard=(index, 2), out="runs"
        )
    assert statuses(run)["clip_score"] == {"unavailable"}
    assert len(run.scores().query("metric == 'clip_score'")) == 3
    assert json.loads((run.folder / "run.json").read_text())["status"] == "incomplete"
