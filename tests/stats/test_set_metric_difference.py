"""Set statistics: with the plain mean as statistic everything is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stepbench.stats import StatisticsError, paired_difference, set_metric_difference


def mean_above(features: np.ndarray, reference: float) -> float:
    return float(features.mean() - reference)


def distance(features: np.ndarray, reference: np.ndarray) -> float:
    """Squared distance of means plus squared difference of spreads: biased in n like a Frechet distance."""
    spread = features.std(axis=0) - reference.std(axis=0)
    return float(((features.mean(axis=0) - reference.mean(axis=0)) ** 2 + spread**2).sum())


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_mean_gives_what_the_paired_difference_gives():
    a = rng(1).normal(size=(60, 1))
    b = a + rng(2).normal(0.15, 0.5, size=(60, 1))
    result = set_metric_difference(a, b, 3.0, mean_above, rng=rng(), draws=4000, permutations=4000)
    expected = paired_difference(a[:, 0], b[:, 0], rng=rng())
    assert result.estimate == pytest.approx(expected.estimate)
    assert result.value_b - result.value_a == result.estimate
    assert result.value_a == pytest.approx(a.mean() - 3.0)
    assert (result.low, result.high) == pytest.approx((expected.low, expected.high), abs=0.015)
    assert result.p == pytest.approx(expected.p, abs=0.02)
    assert result.bootstrap_bias == pytest.approx(0, abs=0.01)
    assert (result.n, result.n_clusters) == (60, 60)


def test_equal_features_differ_by_nothing():
    a = rng(3).normal(size=(20, 4))
    result = set_metric_difference(a, a, a, distance, rng=rng(), draws=50, permutations=50)
    assert (result.estimate, result.low, result.high, result.p) == (0.0, 0.0, 0.0, 1.0)


def test_pairing_cancels_what_both_models_share():
    reference = rng(4).normal(size=(400, 3))
    a = reference[:80] + 0.5
    b = a + 0.1
    result = set_metric_difference(a, b, reference, distance, rng=rng(), draws=300, permutations=0)
    assert result.low > 0
    assert math.isnan(result.p)
    own_spread = np.std([distance(a[rng(i).integers(80, size=80)], reference) for i in range(100)])
    assert result.standard_error < 0.5 * own_spread


def test_seeds_of_one_prompt_are_resampled_together():
    a = rng(5).normal(size=(30, 1))
    b = a + rng(6).normal(0.2, 0.5, size=(30, 1))
    once = set_metric_difference(a, b, 0.0, mean_above, rng=rng(), draws=2000, permutations=500)
    copied = set_metric_difference(
        np.repeat(a, 4, axis=0),
        np.repeat(b, 4, axis=0),
        0.0,
        mean_above,
        rng=rng(),
        clusters=np.repeat(np.arange(30), 4),
        draws=2000,
        permutations=500,
    )
    assert (copied.n, copied.n_clusters) == (120, 30)
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=0.03)
    assert copied.p == pytest.approx(once.p, abs=0.05)


def test_one_prompt_has_no_interval():
    result = set_metric_difference([[1.0]], [[2.0]], 0.0, mean_above, rng=rng(), draws=2, permutations=20)
    assert result.estimate == 1.0
    assert math.isnan(result.low)
    assert result.p == 1.0


def squared_distance_of_means(features: np.ndarray, reference: np.ndarray) -> float:
    return float(((features.mean(axis=0) - reference) ** 2).sum())


def test_interval_coverage_and_false_alarms_for_a_biased_statistic():
    generator = rng(7)
    covered = alarms = 0
    for _ in range(300):
        # Equal models: features shared by prompt plus noise of their own, both off the reference.
        shared = generator.normal(0.5, 1, size=(40, 2))
        a, b = (shared + generator.normal(0, 0.5, size=(40, 2)) for _ in range(2))
        result = set_metric_difference(
            a, b, np.zeros(2), squared_distance_of_means, rng=generator, draws=100, permutations=39
        )
        covered += result.low <= 0 <= result.high
        alarms += result.p <= 0.05
    assert 0.91 <= covered / 300 <= 0.98
    assert 0.02 <= alarms / 300 <= 0.085


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (np.ones((3, 2)), np.ones((4, 2)), {}, r"got \(3, 2\) and \(4, 2\)"),
        (np.ones((0, 2)), np.ones((0, 2)), {}, r"got \(0, 2\) and \(0, 2\)"),
        (np.ones(3), np.ones(3), {}, r"got \(3,\) and \(3,\)"),
        (np.ones((3, 2)), np.ones((3, 2)), {"draws": 1}, "draws must be at least 2 and permutations 0, got 1 and"),
        (np.ones((3, 2)), np.ones((3, 2)), {"permutations": -1}, "got 1000 and -1"),
        (np.ones((3, 2)), np.ones((3, 2)), {"clusters": ["p"]}, "clusters must give one label per value"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), {}, "the statistic gave nan on a resample of 3 clips"),
        (np.ones((3, 2)), np.ones((3, 2)), {"level": 0}, "level must lie between 0 and 1, got 0"),
    ],
)
def test_bad_input_is_refused(a, b, options, message):
    with pytest.raises(StatisticsError, match=message):
        set_metric_difference(a, b, 0.0, mean_above, rng=rng(), **options)
