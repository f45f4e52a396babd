"""Metrics with options: written down, refused, told apart by their ids, kept through a run and its comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stepbench.errors import UsageError
from stepbench.runs.metric_spec import MetricSpec, parse_metric
from stepbench.runs.run import open_run

RUN = ("run", "-M", "python:toy_generators:noise_of_16", "-t", "mini", "--seeds")


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("flicker", "flicker", {}),
        (" flicker() ", "flicker", {}),
        ("fvd(backbone=i3d, frames=16)", "fvd", {"backbone": "i3d", "frames": 16}),
        ("near-duplicate(threshold=0.9)", "near-duplicate", {"threshold": 0.9}),
        ('fvd(backbone="transformers:my models, old")', "fvd", {"backbone": "transformers:my models, old"}),
        ("x(a=true,b=False,c=1e-3,d=-2)", "x", {"a": True, "b": False, "c": 1e-3, "d": -2}),
        ('x(a="16")', "x", {"a": "16"}),
    ],
)
def test_what_is_written_down_is_read(text: str, name: str, options: dict):
    spec = MetricSpec(name=name, options=options)
    assert parse_metric(text) == spec
    assert parse_metric(str(spec)) == spec  # written down again


@pytest.mark.parametrize("text", ["fvd(backbone", "fvd(16)", "fvd(frames=)", "fvd(a=b c)", "(a=1)", "fvd(a=1)b", ""])
def test_what_cannot_be_read_is_refused(text: str):
    with pytest.raises(UsageError, match=r"(?s)a metric is written NAME or NAME\(KEY=VALUE, \.\.\.\).*for example"):
        parse_metric(text)


def test_an_option_given_twice_is_refused():
    with pytest.raises(UsageError, match="has the option 'frames' twice"):
        parse_metric("fvd(frames=16, frames=32)")


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [
        ("fvd(backbone=shapes, fames=8)", "metric 'fvd' has no option 'fames'\n  hint: did you mean frames?"),
        ("flicker(window=3)", "metric 'flicker' has no option 'window'\n  hint: it takes none"),
        ("fvd_shapes(backbone=i3d)", "metric 'fvd_shapes' has no option 'backbone'"),
        ("fvd(backbone=shapes, sync_on_compute=false)", "has no option 'sync_on_compute'"),
        ("fvd(backbone=shapes, ddof=2)", "ddof must be 1 (covariances with n - 1) or 0 (with n), got 2"),
        ("fvd(backbone=shapes, frames=8)", "the backbone shapes cannot be loaded so"),
        ("fvd(backbone=shape)", "no backbone is called 'shape'"),
        ("shapes_margin(distractors=a)", "metric 'shapes_margin' has no option 'distractors'"),
        ("fvd(backbone=shapes", "a metric is written NAME or NAME(KEY=VALUE, ...)"),
    ],
)
def test_mistakes_are_usage_errors_with_the_way_out(stepbench, make_suite, metric: str, complaint: str):
    make_suite("one", "two")
    ended = stepbench(*RUN, "0..1", "-m", metric)
    assert ended.code == 2
    assert complaint in ended.err


@pytest.fixture
def reference(stepbench, make_suite) -> Path:
    make_suite("one", "two", "three")
    assert stepbench(*RUN, "7..8", "--no-score", "--run-id", "ref").code == 0
    return Path("runs/ref")


def test_one_run_holds_a_metric_with_several_options_each_under_its_own_id(stepbench, reference):
    asked = "flicker,fvd(backbone=shapes),fvd(backbone=shapes, ddof=0)"
    ended = stepbench(*RUN, "0..1", "-m", asked, "--reference", reference, "--run-id", "a")
    assert ended.code == 0, ended.err
    run = open_run("runs/a")
    cards = {card["id"]: card for card in run.metric_cards.values() if card["level"] == "set"}
    usual, other = sorted(cards, key=len)
    assert other == usual + "-ddof0"
    assert "options" in cards[other]
    assert cards[usual]["feature_id"] == cards[other]["feature_id"], "made once for both"
    values = run.set_scores().set_index("metric_id")["value"]
    assert len(values) == 2
    (first, second) = (values[[key.startswith(one + ":") for key in values.index]].item() for one in (usual, other))
    assert first > second > 0, "with n in place of n - 1 covariances are smaller"
    # What is computed again from the folder uses the options too.
    summary = (run.folder / "summary.json").read_text(encoding="utf-8")
    assert stepbench("score", "runs/a", "-m", asked, "--reference", reference, "--recompute").code == 0
    assert json.loads((run.folder / "summary.json").read_text(encoding="utf-8")) == json.loads(summary)


def test_runs_scored_with_other_options_are_not_compared(stepbench, reference):
    for run_id, options in (("a", ""), ("b", ", ddof=0")):
        asked = f"flicker,fvd(backbone=shapes{options})"
        assert stepbench(*RUN, "0..1", "-m", asked, "--reference", reference, "--run-id", run_id).code == 0
    ended = stepbench("compare", "runs/a", "runs/b")
    assert ended.code == 4
    assert "id of metric fvd_shapes" in ended.err
    assert "-ddof0:ref-" in ended.err
    assert stepbench("compare", "runs/a", "runs/b", "--metric", "flicker").code == 0


def test_a_folder_of_clips_takes_options_but_a_name_once(stepbench, reference):
    clips = reference / "clips"
    one = "dynamic_degree(flow=dis)"
    assert stepbench("score", clips, "-m", f"{one},dynamic_degree", "--manifest", "kept.jsonl").code == 0
    ended = stepbench("score", clips, "-m", "dynamic_degree(flow=fast)", "--manifest", "kept.jsonl")
    assert ended.code == 2
    assert "flow must be one of dis, raft, got 'fast'" in ended.err
