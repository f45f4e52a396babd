"""Rank intervals from paired comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ttest_rel

from stepbench.board.ranks import pairwise_tests, rank_intervals

# Steps of 1e-4: the squares of numbers near 1e-179 vanish, and no score is ever that small.
tables = st.tuples(st.integers(1, 12), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-1_000_000, 1_000_000).map(lambda steps: steps / 1e4))
)


def shared_prompts(means: list[float], units: int = 30, noise: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(units, 1)) * 5 + np.array(means) + rng.normal(size=(units, len(means))) * noise


def test_pairwise_tests_agree_with_scipy_on_every_pair_of_an_incomplete_table():
    values = shared_prompts([1.0, 1.02, 1.1, 5.0])
    values[::4, 1] = np.nan
    values[1::5, 3] = np.nan
    difference, p = pairwise_tests(values)
    for i in range(4):
        for j in range(4):
            both = ~np.isnan(values[:, i]) & ~np.isnan(values[:, j])
            assert difference[i, j] == pytest.approx(np.mean(values[both, j] - values[both, i]))
            if i != j:
                floor = 2.0 ** (1 - both.sum())
                expected = max(ttest_rel(values[both, j], values[both, i]).pvalue, floor)
                assert p[i, j] == pytest.approx(expected, rel=1e-6)


def test_small_differences_of_large_values_are_not_lost():
    rng = np.random.default_rng(1)
    a = rng.normal(size=40) * 1e3 + 1e9
    b = a + 1 + rng.normal(size=40) * 0.1
    _, p = pairwise_tests(np.column_stack([a, b]))
    # The paired differences are 1 +- 0.1 of values near 1e9: beyond doubt.
    assert p[0, 1] < 1e-6


def test_runs_far_apart_have_ranks_and_runs_that_nothing_separates_share_them():
    values = shared_prompts([1.0, 3.0, 3.0, 9.0])
    low, high = rank_intervals(values, higher_is_better=True)
    assert low.tolist() == [4, 2, 2, 1]
    assert high.tolist() == [4, 3, 3, 1]


def test_lower_is_better_turns_the_ranks_round():
    values = shared_prompts([1.0, 1.05, 3.0, 9.0])
    low, high = rank_intervals(values, higher_is_better=True)
    low_turned, high_turned = rank_intervals(values, higher_is_better=False)
    np.testing.assert_array_equal(low_turned, 5 - high)
    np.testing.assert_array_equal(high_turned, 5 - low)


def test_equal_runs_tie():
    column = np.arange(20.0)[:, None]
    low, high = rank_intervals(np.hstack([column, column, column]), higher_is_better=True)
    assert low.tolist() == [1, 1, 1]
    assert high.tolist() == [3, 3, 3]


def test_a_handful_of_prompts_that_agree_separate_nothing():
    # Four equal differences have no spread at all, yet flipping signs gives p = 2 / 2**4 at best.
    values = np.column_stack([np.arange(4.0), np.arange(4.0) + 1])
    assert pairwise_tests(values)[1][0, 1] == 2 / 2**4
    assert rank_intervals(values, higher_is_better=True)[0].tolist() == [1, 1]


def test_more_runs_in_the_table_ask_for_more_evidence():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=20)
    # Mean 0.5, deviation 1, 20 prompts: t = 0.5 * sqrt(20) = 2.24 on 19 degrees of freedom, p = 0.038.
    pair = np.column_stack([np.zeros(20), 0.5 + (noise - noise.mean()) / noise.std(ddof=1)])
    assert pairwise_tests(pair)[1][0, 1] == pytest.approx(0.0376, abs=1e-3)
    alone = rank_intervals(pair, higher_is_better=True)[1]
    crowd = rank_intervals(np.hstack([pair, rng.normal(0.3, 3.0, (20, 8))]), higher_is_better=True)[1]
    assert alone[1] == 1
    assert crowd[1] > 1


def test_a_run_without_scores_has_no_rank_and_leaves_the_others_theirs():
    values = shared_prompts([1.0, 3.0])
    alone = rank_intervals(values, higher_is_better=True)
    with_empty = rank_intervals(np.column_stack([values, np.full(30, np.nan)]), higher_is_better=True)
    for ends, ends_with_empty in zip(alone, with_empty, strict=True):
        assert np.isnan(ends_with_empty[2])
        np.testing.assert_array_equal(ends_with_empty[:2], ends)


def test_runs_without_a_common_prompt_are_not_separated():
    values = np.full((20, 2), np.nan)
    values[:10, 0], values[10:, 1] = 1.0, 100.0
    low, high = rank_intervals(values, higher_is_better=True)
    assert (low.tolist(), high.tolist()) == ([1, 1], [2, 2])


@settings(max_examples=60, deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_intervals_hold_the_rank_by_mean_and_follow_their_runs(values, random):
    low, high = rank_intervals(values, higher_is_better=True)
    means = values.mean(axis=0)
    # With complete columns only a run with a higher mean can be surely better.
    assert (low <= 1 + (means[None, :] > means[:, None] + 1e-9).sum(axis=1)).all()
    assert (high >= len(means) - (means[None, :] < means[:, None] - 1e-9).sum(axis=1)).all()
    order = list(range(values.shape[1]))
    random.shuffle(order)
    shuffled = rank_intervals(values[:, order], higher_is_better=True)
    np.testing.assert_array_equal(shuffled[0], low[order])
    np.testing.assert_array_equal(shuffled[1], high[order])
