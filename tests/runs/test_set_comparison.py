"""Two runs by a set metric: over the samples that both have, prompts resampled for both, and what is said instead."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from set_runs import install_plugin, set_rows

from metrics.functional import frechet_distance
from stepbench import api, open_run
from stepbench.stats import set_metric_difference
from stepbench.video import read_clip

TEXTS = [f"prompt {number}" for number in range(8)]
SET = ("-m", "flicker,toy_fvd", "--reference", "runs/ref", "--seeds", "0..1")


def make(stepbench, generator: str, name: str, *more: object) -> int:
    return stepbench("run", "-M", f"python:toy_generators:{generator}", "-t", "mini", "--run-id", name, *more).code


@pytest.fixture
def runs(stepbench, make_suite, workplace, monkeypatch) -> Path:
    """`b` is at half the brightness of `a` and of the reference."""
    make_suite(*TEXTS)
    install_plugin(monkeypatch)
    # As of many numbers: few draws, fast.
    monkeypatch.setattr("stepbench.set_comparison.MANY_NUMBERS", 0)
    assert make(stepbench, "noise", "ref", "--seeds", "7..8", "--no-score") == 0
    assert make(stepbench, "noise", "a", *SET) == make(stepbench, "dim", "b", *SET) == 0
    return workplace / "runs"


def features(run: Path, *, drop: frozenset[tuple[str, int]] = frozenset()) -> np.ndarray:
    """Of the clips of a run, in plan order."""
    from toy_plugin import MeanColours

    samples = open_run(run).samples().to_dict("records")
    clips = [read_clip(run / row["clip"]).frames for row in samples if (row["prompt_id"], row["seed"]) not in drop]
    return MeanColours().features(torch.from_numpy(np.stack(clips))).numpy()


def row_of(comparison) -> dict:
    (row,) = (row for row in comparison.table().to_dict("records") if row["metric"] == "toy_fvd")
    return row


def test_the_row_is_that_of_the_statistics_on_the_features(stepbench, runs):
    row = row_of(api.compare(runs / "a", runs / "b"))
    a, b, reference = (features(runs / name) for name in ("a", "b", "ref"))
    expected = set_metric_difference(
        a,
        b,
        reference,
        lambda x, y: float(frechet_distance(x, y)),
        rng=np.random.default_rng(1),
        clusters=[text for text in TEXTS for _ in range(2)],
        draws=100,
    )
    assert row["n"] == expected.n_clusters == 8
    assert row["mean_a"] == pytest.approx(expected.value_a) == set_rows(runs / "a")[0]["value"]
    assert row["mean_b"] == pytest.approx(expected.value_b) == set_rows(runs / "b")[0]["value"]
    assert row["difference"] == pytest.approx(expected.estimate)
    assert row["difference"] > 1000
    assert row["p"] == pytest.approx(expected.p, abs=0.01)
    assert row["low"] < row["difference"] < row["high"]
    assert 0 < row["detectable_effect"] < row["difference"]
    assert (row["verdict"], row["direction"], row["coverage_a"], row["coverage_b"]) == ("a better", "lower", 1.0, 1.0)


def test_the_same_comparison_gives_the_same_numbers_whatever_stands_beside_it(runs):
    both, alone = api.compare(runs / "a", runs / "b"), api.compare(runs / "a", runs / "b", metrics=["toy_fvd"])
    assert list(both.table()["metric"]) == ["flicker", "toy_fvd"]
    first, second = row_of(both), row_of(alone)
    assert first.pop("p_adjusted") >= second.pop("p_adjusted")
    assert first == second
    swapped = row_of(api.compare(runs / "b", runs / "a"))
    assert swapped["difference"] == -first["difference"]


def test_prompts_that_the_reference_shows_too_are_drawn_on_both_sides(stepbench, runs):
    # The reference is `a` itself: with both sides drawn together its distance is 0 in every draw.
    against = ("-m", "toy_fvd", "--reference", "runs/a", "--seeds", "0..1")
    assert make(stepbench, "noise", "same", *against) == make(stepbench, "touched", "c", *against) == 0
    row = row_of(api.compare(runs / "same", runs / "c"))
    a, b = features(runs / "a"), features(runs / "c")
    prompts = np.repeat(np.arange(8), 2)

    def together(rows: np.ndarray, reference: np.ndarray) -> float:
        theirs = [reference[prompts == prompt] for prompt in rows[::2, -1]]
        return float(frechet_distance(rows[:, :-1], np.concatenate(theirs)))

    def apart(rows: np.ndarray, reference: np.ndarray) -> float:
        return float(frechet_distance(rows[:, :-1], reference))

    def width(statistic) -> float:
        sides = [np.column_stack([rows, prompts]) for rows in (a, b)]
        options = {"rng": np.random.default_rng(2), "clusters": prompts, "permutations": 0, "draws": 400}
        found = set_metric_difference(*sides, a, statistic, **options)
        return found.high - found.low

    assert row["mean_a"] == pytest.approx(0, abs=1e-6)
    assert row["high"] - row["low"] == pytest.approx(width(together), rel=0.25)
    assert width(apart) != pytest.approx(width(together), rel=1)


def test_equal_clips_are_not_separable(stepbench, runs):
    # Another generator that makes the same clips.
    assert make(stepbench, "obedient", "same", *SET) == 0
    row = row_of(api.compare(runs / "a", runs / "same"))
    assert (row["difference"], row["p"], row["verdict"]) == (0, 1, "not separable")


def test_only_samples_that_both_have_are_compared(stepbench, make_suite, workplace, runs):
    suite = make_suite("fail", *TEXTS[1:], name="other")
    assert suite.is_dir()
    command = ("run", "-t", "other", *SET, "--run-id")
    assert stepbench(*command, "whole", "-M", "python:toy_generators:noise").code == 0
    assert stepbench(*command, "partly", "-M", "python:toy_generators:obedient").code == 3
    row = row_of(api.compare(runs / "whole", runs / "partly"))
    common = features(runs / "whole", drop=frozenset({("p1", 0), ("p1", 1)}))
    value = float(frechet_distance(common, features(runs / "ref")))
    assert row["n"] == 7
    assert row["mean_a"] == row["mean_b"] == pytest.approx(value)
    assert (row["coverage_a"], row["coverage_b"]) == (1.0, 14 / 16)


def test_what_is_missing_is_said(stepbench, runs):
    shutil.rmtree(runs / "b/features")
    ended = stepbench("compare", "runs/a", "runs/b")
    assert ended.code == 0
    assert "flicker" in ended.out
    assert "toy_fvd" not in ended.out
    assert "the features of b or of its reference are not in its folder" in ended.err
    assert "stepbench score runs/b -m toy_fvd --reference RUN" in ended.err
    assert stepbench("score", "runs/b", "-m", "toy_fvd", "--reference", "runs/ref").code == 0
    assert "toy_fvd" in stepbench("compare", "runs/a", "runs/b").out


def test_other_references_are_refused_and_not_compared_by_force(stepbench, runs):
    assert make(stepbench, "noise", "ref2", "--seeds", "9..10", "--no-score") == 0
    other = ("-m", "toy_fvd", "--reference", "runs/ref2", "--seeds", "0..1")
    assert make(stepbench, "dim", "c", *other) == 0
    ended = stepbench("compare", "runs/a", "runs/c", "-m", "toy_fvd")
    assert ended.code == 4
    assert "id of metric toy_fvd" in ended.err
    forced = stepbench("compare", "runs/a", "runs/c", "--allow-incomparable", "to see")
    assert forced.code == 5
    assert "no scored prompt and seed in common" in forced.err


def test_no_groups_and_no_prompts_of_a_set(stepbench, runs):
    ended = stepbench("compare", "runs/a", "runs/b", "--by", "category", "--prompts", "1")
    assert ended.code == 0
    assert "a set metric compares all prompts together, not by category" in ended.err
    ended = stepbench("compare", "runs/a", "runs/b", "--prompts", "1")
    assert "most different in flicker" in ended.out
    assert "most different in toy_fvd" not in ended.out
    alone = stepbench("compare", "runs/a", "runs/b", "-m", "toy_fvd", "--json").records()[0]
    assert [row["metric"] for row in alone["rows"]] == ["toy_fvd"]
    assert json.dumps(alone)


def test_seeds_of_one_prompt_decide_nothing(stepbench, runs):
    for name, generator in (("one", "noise"), ("two", "dim")):
        assert make(stepbench, generator, name, *SET, "-L", "1") == 0
    row = row_of(api.compare(runs / "one", runs / "two"))
    assert (row["n"], row["p"], row["p_adjusted"], row["verdict"]) == (1, 1.0, 1.0, "not separable")
    assert np.isnan(row["low"])


def test_one_sample_in_common_is_no_set(stepbench, make_suite, runs):
    make_suite("fail", "one", name="small")
    for generator, name in (("noise", "first"), ("obedient", "second")):
        stepbench("run", "-M", f"python:toy_generators:{generator}", "-t", "small", *SET[:4], "--run-id", name)
    ended = stepbench("compare", "runs/first", "runs/second")
    assert "1 samples are in the sets of both runs, and a set needs at least 2" in ended.err


def test_too_many_numbers_are_resampled_in_their_leading_dimensions(stepbench, runs, monkeypatch):
    whole = stepbench("compare", "runs/a", "runs/b", "--metric", "toy_fvd", "--json").records()[0]["rows"][0]
    monkeypatch.setattr("stepbench.set_comparison.TOO_MANY_NUMBERS", 0)
    monkeypatch.setattr("metrics.set_distance.MANY_DIMENSIONS", 1)
    less = stepbench("compare", "runs/a", "runs/b", "--metric", "toy_fvd", "--json").records()[0]["rows"][0]
    assert "leading dimensions" in less["method"]
    assert "method" not in whole
    for exact in ("mean_a", "mean_b", "difference"):
        assert less[exact] == pytest.approx(whole[exact], rel=1e-12)
    width = whole["high"] - whole["low"]
    assert (less["low"], less["high"]) == pytest.approx((whole["low"], whole["high"]), abs=0.1 * width)
    assert "leading dimensions" in stepbench("compare", "runs/a", "runs/b").err
