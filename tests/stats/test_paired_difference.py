"""Paired differences: exact p values worked out by hand, the null distribution, and the written answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stepbench.stats import StatisticsError, detectable_effect, holm, paired_difference, sign_test


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_difference_is_b_minus_a():
    result = paired_difference([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], rng=rng())
    assert result.estimate == 2.0
    assert (result.wins, result.ties, result.losses, result.n) == (3, 0, 0, 3)
    # Differences 1, 2, 3: of the 8 sign patterns only +++ and --- reach a sum of 6.
    assert result.p == 2 / 8
    assert result.effect_size == 2.0


def test_interval_equals_scipy_and_detectable_effect_goes_with_it():
    a = rng(1).normal(size=30)
    b = a + rng(2).normal(0.1, 0.5, size=30)
    result = paired_difference(a, b, rng=rng(), level=0.9)
    expected = scipy_stats.ttest_rel(b, a).confidence_interval(0.9)
    assert (result.low, result.high) == pytest.approx((expected.low, expected.high))
    assert result.detectable_effect == pytest.approx(detectable_effect(float(np.std(b - a, ddof=1)), 30, alpha=0.1))


def test_exact_p_equals_scipy_enumeration():
    a = rng(3).normal(size=9)
    b = a + rng(4).normal(0.4, 1, size=9)
    expected = scipy_stats.permutation_test(
        (b, a), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    assert paired_difference(a, b, rng=rng()).p == pytest.approx(expected.pvalue)


def test_zero_differences_are_ties_and_leave_p_alone():
    few = paired_difference([0.0, 0.0, 0.0], [1.0, 2.0, -1.0], rng=rng())
    padded = paired_difference([0.0] * 30, [1.0, 2.0, -1.0] + [0.0] * 27, rng=rng())
    assert padded.p == few.p
    assert (padded.wins, padded.ties, padded.losses) == (2, 27, 1)


def test_rounding_is_a_tie():
    result = paired_difference([0.3, 0.3], [0.1 + 0.2, 0.3], rng=rng())
    assert (result.ties, result.p, result.estimate) == (2, 1.0, 0.0)


def test_random_flips_agree_with_enumeration_and_are_never_zero():
    a = np.zeros(17)
    b = rng(5).normal(0.3, 1, size=17)
    random = paired_difference(a, b, rng=rng(6), draws=40_000)
    signs = 1 - 2 * (np.arange(2**17)[:, None] >> np.arange(17) & 1)
    exact = np.mean(np.abs(signs @ b) >= abs(b.sum()) - 1e-9)
    assert random.p == pytest.approx(exact, abs=0.01)
    assert "40000 draws" in random.method
    assert paired_difference(a, np.ones(17), rng=rng(), draws=99).p == 1 / 100


def test_the_generator_decides_the_random_flips():
    a, b = rng(7).normal(size=(2, 40))
    assert paired_difference(a, b, rng=rng(8)) == paired_difference(a, b, rng=rng(8))


def test_all_differences_zero():
    result = paired_difference([1.0, 2.0], [1.0, 2.0], rng=rng())
    assert (result.estimate, result.low, result.high, result.p) == (0.0, 0.0, 0.0, 1.0)
    assert result.ties == 2
    assert math.isnan(result.effect_size)


def test_constant_difference_has_no_width_but_an_honest_p():
    result = paired_difference([0.0, 1.0], [1.0, 2.0], rng=rng())
    assert (result.low, result.high) == (1.0, 1.0)
    assert result.p == 0.5  # two prompts cannot say more


def test_no_prompt_and_one_prompt():
    empty = paired_difference([], [], rng=rng())
    assert all(math.isnan(x) for x in (empty.estimate, empty.low, empty.high, empty.p, empty.detectable_effect))
    assert (empty.n, empty.method) == (0, "no prompts")
    one = paired_difference([1.0], [3.0], rng=rng())
    assert (one.estimate, one.p, one.n, one.wins) == (2.0, 1.0, 1, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.detectable_effect)


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        ([1.0], [1.0, 2.0], {}, "got 1 and 2 values"),
        ([1.0, float("nan")], [1.0, 2.0], {}, "a must be finite"),
        ([1.0, 2.0], [1.0, float("inf")], {}, "b must be finite"),
        ([1.0, 2.0], [1.0, 3.0], {"level": 1.0}, "level must lie between 0 and 1, got 1.0"),
        ([1.0, 2.0], [1.0, 3.0], {"draws": 0}, "draws must be at least 1, got 0"),
        ([1.0, 2.0], [1.0, 3.0], {"interval": "z"}, "interval must be 't' or 'bca', got 'z'"),
        ([1.0, 2.0], [1.0, 3.0], {"clusters": ["p"]}, "one label per value: 2 values, labels of shape"),
    ],
)
def test_paired_difference_refuses(a, b, options, message):
    with pytest.raises(StatisticsError, match=message):
        paired_difference(a, b, rng=rng(), **options)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=10))
def test_swapping_the_sides_mirrors_everything(pairs):
    a, b = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    there, back = paired_difference(a, b, rng=rng()), paired_difference(b, a, rng=rng())
    assert there.estimate == -back.estimate
    assert (there.wins, there.losses, there.ties) == (back.losses, back.wins, back.ties)
    assert there.p == back.p
    assert 2 / 2 ** len(pairs) <= there.p <= 1 or there.p == 1


@pytest.mark.parametrize("n", [10, 30])
def test_p_is_uniform_under_the_null(n):
    generator = rng(10)
    p = np.array(
        [paired_difference(np.zeros(n), generator.laplace(size=n), rng=generator, draws=399).p for _ in range(2000)]
    )
    for alpha in (0.05, 0.2, 0.5):
        assert np.mean(p <= alpha) == pytest.approx(alpha, abs=4 * math.sqrt(alpha * (1 - alpha) / 2000))


def test_interval_coverage():
    generator = rng(11)
    covered = 0
    for _ in range(2000):
        prompt = generator.normal(size=12)
        a, b = prompt + generator.normal(0, 0.3, 12), prompt + 0.5 + generator.normal(0, 0.6, 12)
        result = paired_difference(a, b, rng=generator, draws=1)
        covered += result.low <= 0.5 <= result.high
    assert 0.93 <= covered / 2000 <= 0.97


@pytest.mark.parametrize(
    # Wins and losses per annotator against HunyuanVideo in table 7 of the Step-Video-T2V report, ties left out.
    ("wins", "losses", "p"),
    [(59, 47, 0.29), (46, 35, 0.27), (54, 33, 0.03)],
)
def test_sign_test_on_the_tallies_of_the_step_video_report(wins, losses, p):
    assert sign_test(wins, losses) == pytest.approx(p, abs=0.005)
    assert sign_test(wins, losses) == pytest.approx(scipy_stats.binomtest(wins, wins + losses).pvalue)


def test_no_annotator_of_the_step_video_report_separates_the_models():
    # Wins, ties, losses of 128 prompts each.
    tallies = ((59, 22, 47), (46, 47, 35), (54, 41, 33))
    assert all(sum(tally) == 128 for tally in tallies)
    p = [sign_test(wins, losses) for wins, _, losses in tallies]
    assert [round(value, 3) for value in p] == [0.285, 0.266, 0.031]
    assert holm(p).min() > 0.05
    # The same p from prompts: +1, 0 and -1 by prompt, signs flipped.
    outcomes = np.repeat([1.0, 0.0, -1.0], tallies[2])
    flips = paired_difference(np.zeros(128), outcomes, rng=rng(), draws=40_000)
    assert flips.p == pytest.approx(p[2], abs=0.005)


def test_seeds_are_averaged_within_the_prompt():
    a, b = rng(12).normal(size=(2, 60))
    prompts = np.arange(60) % 20
    averaged = paired_difference(a.reshape(3, 20).mean(axis=0), b.reshape(3, 20).mean(axis=0), rng=rng())
    clustered = paired_difference(a, b, rng=rng(), clusters=prompts)
    assert (clustered.n, clustered.wins) == (20, averaged.wins)
    assert (clustered.low, clustered.p) == pytest.approx((averaged.low, averaged.p))


def test_bca_follows_the_skew_of_the_differences():
    differences = rng(13).exponential(size=60)
    result = paired_difference(np.zeros(60), differences, rng=rng(), interval="bca", draws=20_000)
    expected = scipy_stats.bootstrap((differences,), np.mean, n_resamples=20_000, method="BCa", rng=rng(14))
    assert (result.low, result.high) == pytest.approx(tuple(expected.confidence_interval), abs=0.02)
    assert result.high - result.estimate > result.estimate - result.low
    assert "bca bootstrap" in result.method


def test_sign_test_edges():
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 0) == sign_test(0, 5) == 2 / 32
    with pytest.raises(StatisticsError, match="got -1 and 2"):
        sign_test(-1, 2)
