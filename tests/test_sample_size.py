"""Prompts and votes: against closed forms, simulation, the published win-rate table, and runs in memory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fake_runs import FakeRun, prompts, run

from stepbench.errors import NotComparableError, NothingSelectedError, UsageError
from stepbench.gate import as_policy
from stepbench.sample_size import margin_of, sizes, votes_table, votes_with_repeats, win_rate_table
from stepbench.spread import given_spread, paired_deviation, seconds_per_clip, spreads_of_pair, spreads_of_run
from stepbench.stats import StatisticsError, detectable_effect, gate_prompts, required_n

TABLE = prompts(40)


def test_the_spread_of_differences_follows_from_spread_and_icc():
    rng = np.random.default_rng(0)
    prompt = rng.normal(0, math.sqrt(0.6), size=(100_000, 1))
    a, b = (prompt + rng.normal(0, math.sqrt(0.4), size=(100_000, 3)) for _ in range(2))
    assert (a.mean(axis=1) - b.mean(axis=1)).std() == pytest.approx(paired_deviation(1.0, 0.6, seeds=3), rel=0.01)
    assert paired_deviation(2.0, 0.5) == pytest.approx(2.0)


def test_the_spread_of_two_runs_is_that_of_their_differences():
    a, b = run("a", TABLE, 1, metrics=["quality"]), run("b", TABLE, 2, metrics=["quality"])
    (found,) = spreads_of_pair(a, b)  # pyright: ignore[reportArgumentType]
    differences = [
        np.mean([b.values["quality"][key, seed] - a.values["quality"][key, seed] for seed in (0, 1)])
        for key in TABLE["prompt_id"]
    ]
    assert found.deviation == pytest.approx(np.std(differences, ddof=1))
    assert (found.metric, found.n, found.clips, found.source) == ("quality", 40, 2.0, "differences between a and b")
    with pytest.raises(NotComparableError, match="frames: 8 against 16"):
        spreads_of_pair(a, run("b", TABLE, 2, settings={"frames": 16}))  # pyright: ignore[reportArgumentType]


def test_one_run_with_seeds_tells_the_noise_and_one_without_an_upper_bound():
    big = prompts(400)
    noisy = run("a", big, 1, metrics=["quality"])
    (found,) = spreads_of_run(noisy)  # pyright: ignore[reportArgumentType]
    # The noise of one clip has a deviation of 0.3; two seeds on each of two sides.
    assert found.deviation == pytest.approx(0.3 * math.sqrt(2 / 2), rel=0.1)
    pair = spreads_of_pair(noisy, run("b", big, 2, metrics=["quality"]))[0]  # pyright: ignore[reportArgumentType]
    assert found.deviation == pytest.approx(pair.deviation, rel=0.15)
    single = FakeRun("s", {"quality": {key: v for key, v in noisy.values["quality"].items() if key[1] == 0}}, big, (0,))
    (bound,) = spreads_of_run(single)  # pyright: ignore[reportArgumentType]
    assert bound.deviation == pytest.approx(math.sqrt(2 * (1 + 0.09)), rel=0.1)
    assert "an upper bound" in bound.source
    assert bound.clips == 1.0


def test_translations_are_one_prompt_of_several_clips():
    families = prompts(40, families=True)
    (found,) = spreads_of_run(run("a", families, 1, metrics=["quality"]))  # pyright: ignore[reportArgumentType]
    assert (found.n, found.clips) == (20, 4.0)


def test_one_clip_and_failed_scores_tell_nothing():
    single = FakeRun("s", {"quality": {("p000", 0): 1.0}}, prompts(1), (0,))
    (found,) = spreads_of_run(single)  # pyright: ignore[reportArgumentType]
    assert math.isnan(found.deviation)
    told = sizes(found, effect=0.1, margin=0.1)
    assert (told.prompts_for_effect, told.prompts_for_gate) == (None, None)
    assert math.isnan(told.detectable)
    failed = FakeRun("s", {"quality": {("p000", 0): math.nan}}, prompts(1), (0,))
    with pytest.raises(NothingSelectedError, match="run s has no scores per clip"):
        spreads_of_run(failed)  # pyright: ignore[reportArgumentType]
    with pytest.raises(NothingSelectedError, match="run s has no scores per clip of flicker"):
        spreads_of_run(single, ["flicker"])  # pyright: ignore[reportArgumentType]


def test_sizes_are_those_of_the_statistics():
    spread = given_spread(0.4, prompts=50)
    told = sizes(spread, effect=0.1, margin=0.2, metrics_in_gate=5, seconds=360)
    assert told.detectable == detectable_effect(0.4, 50)
    assert told.prompts_for_effect == required_n(0.1, 0.4) == 128
    assert told.prompts_for_gate == gate_prompts(0.2, 0.4, metrics=5)
    assert told.hours == max(128, told.prompts_for_gate) / 10
    assert sizes(given_spread(1.0, icc=0.5, seeds=4, prompts=10), seconds=360).hours == 4.0
    assert sizes(given_spread(1.0)).hours is None
    assert seconds_per_clip(run("a", TABLE, 1)) == 2.0  # pyright: ignore[reportArgumentType]


def test_the_margin_of_a_policy_in_the_metrics_unit():
    (spread,) = spreads_of_run(run("a", TABLE, 1, shift=10.0, metrics=["quality"]))  # pyright: ignore
    assert margin_of(as_policy({"metrics": {"quality": {"margin": 0.3}}}), spread) == 0.3
    relative = margin_of(as_policy({"metrics": {"quality": {"relative_margin": 0.1}}}), spread)
    assert relative == pytest.approx(0.1 * spread.mean)
    assert margin_of(as_policy({"metrics": {"other": {"margin": 0.3}}}), spread) is None
    with pytest.raises(UsageError, match="the margin of quality is 0: no number of prompts proves"):
        margin_of(as_policy({"metrics": {"quality": {"margin": 0}}}), spread)


def test_the_published_win_rate_table():
    # Normal test, 80 % power, alpha 0.05 two-sided, a tie as half a win; points by prompts, at 0, 20 and 40 % ties.
    published = {50: (19.8, 17.7, 15.3), 128: (12.4, 11.1, 9.6), 946: (4.6, 4.1, 3.5), 3200: (2.5, 2.2, 1.9)}
    found: dict[float, list[float]] = {}
    for record in win_rate_table():
        found.setdefault(record["prompts"], []).append(round(record["points"], 1))
    assert {n: tuple(found[n]) for n in published} == published
    votes = {record["points"]: record["votes"] for record in votes_table((0.2,))}
    assert votes == {10.0: 157, 5.0: 628, 3.0: 1745, 2.0: 3925}


def test_votes_that_agree_with_one_another_count_less():
    assert votes_with_repeats(100, 1, 0.9) == 100
    assert votes_with_repeats(100, 5, 0.0) == 100
    assert votes_with_repeats(100, 5, 1.0) == 500
    assert votes_with_repeats(100, 3, 0.3) == 162  # 160, in whole prompts
    (record,) = votes_table((0.2,), shifts=(0.05,), per_prompt=3, icc=0.3)
    assert (record["votes"], record["prompts"]) == (1005, 335)


def test_repeated_votes_as_promised_by_simulation():
    rng = np.random.default_rng(0)
    taste = rng.beta(2, 2, size=(4000, 60))  # per prompt; the icc of its votes is 1 / (2 + 2 + 1)
    votes = rng.binomial(3, taste) / 3
    spread = votes.mean(axis=1).std()
    assert spread**2 == pytest.approx(0.25 / 180 * (1 + 2 * 0.2), rel=0.08)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: paired_deviation(1.0, 1.0), r"icc must lie in \[0, 1\), got 1.0"),
        (lambda: paired_deviation(1.0, 0.5, seeds=0), "seeds must be at least 1, got 0"),
        (lambda: paired_deviation(-1.0, 0.5), "must be finite and not negative, got -1.0"),
        (lambda: votes_with_repeats(10, 0, 0.5), "votes per prompt must be at least 1, got 0"),
        (lambda: votes_with_repeats(10, 2, 1.5), r"icc must lie in \[0, 1\], got 1.5"),
    ],
)
def test_bad_figures_are_refused(call, complaint):
    with pytest.raises(StatisticsError, match=complaint):
        call()
