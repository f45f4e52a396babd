"""Intervals for means: closed forms, the written answers for little data, and simulated coverage."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from stepbench.stats import StatisticsError, bootstrap_interval, intraclass_correlation, mean_interval


def test_mean_interval_is_the_textbook_t_interval():
    result = mean_interval([1.0, 2.0, 3.0])
    # standard error 1 / sqrt(3), t(0.975, 2 degrees of freedom) = 4.302653
    assert result.estimate == 2.0
    assert result.standard_error == pytest.approx(1 / math.sqrt(3))
    assert (result.low, result.high) == pytest.approx((2 - 4.302652730 / math.sqrt(3), 2 + 4.302652730 / math.sqrt(3)))
    assert (result.n, result.n_clusters, result.method) == (3, 3, "t interval")


def test_mean_interval_equals_scipy_at_another_level():
    values = np.random.default_rng(1).normal(size=20)
    result = mean_interval(values, level=0.8)
    expected = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.8)
    assert (result.low, result.high) == pytest.approx((expected.low, expected.high))


def test_seeds_are_averaged_within_the_prompt_first():
    result = mean_interval([0.0, 0.0, 0.0, 4.0], clusters=["a", "a", "a", "b"])
    assert result.estimate == 2.0  # mean of 0 and 4, not of the four values
    assert (result.n, result.n_clusters) == (4, 2)
    assert result.method == "t interval over cluster means"


def test_repeating_every_value_under_its_prompt_changes_nothing():
    values = np.random.default_rng(2).normal(size=12)
    once = mean_interval(values)
    copied = mean_interval(np.repeat(values, 5), clusters=pd.Series(np.repeat(np.arange(12), 5)))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    naive = mean_interval(np.repeat(values, 5))
    assert naive.high - naive.low < 0.6 * (once.high - once.low)  # what ignoring the clusters would claim


def test_without_values_everything_is_nan():
    result = mean_interval([])
    assert all(math.isnan(x) for x in (result.estimate, result.low, result.high, result.standard_error))
    assert (result.n, result.n_clusters, result.method) == (0, 0, "no values")


@pytest.mark.parametrize(("values", "clusters", "estimate"), [([3.0], None, 3.0), ([1.0, 3.0], ["a", "a"], 2.0)])
def test_one_cluster_has_an_estimate_and_no_interval(values, clusters, estimate):
    result = mean_interval(values, clusters=clusters)
    assert result.estimate == estimate
    assert math.isnan(result.low)
    assert math.isnan(result.high)
    assert result.method == "no interval: one cluster"


def test_equal_values_give_an_interval_of_no_width():
    result = mean_interval([0.5] * 4)
    assert (result.low, result.high) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": [1.0, float("nan")]}, r"1 of 2 values are not \(first: index 1, nan\)"),
        ({"values": [[1.0]]}, r"values must be one-dimensional, got shape \(1, 1\)"),
        ({"values": ["a", 1.0]}, "values must be numbers: could not convert string to float: 'a'"),
        ({"values": [1.0, 2.0], "clusters": ["a"]}, r"one label per value: 2 values, labels of shape \(1,\)"),
        ({"values": [1.0, 2.0], "clusters": ["a", None]}, "no label at index 1"),
        ({"values": [1.0, 2.0], "clusters": [1.0, float("nan")]}, "no label at index 1"),
        ({"values": [1.0], "level": 95}, "level must lie between 0 and 1, got 95"),
    ],
)
def test_mean_interval_refuses(arguments, message):
    with pytest.raises(StatisticsError, match=message):
        mean_interval(**arguments)


def test_errors_are_value_errors_too():
    with pytest.raises(ValueError, match="finite"):
        mean_interval([float("inf")])


@pytest.mark.parametrize(("prompts", "seeds", "prompt_sd"), [(8, 3, 1.0), (40, 4, 0.5)])
def test_coverage_over_prompts_and_seeds(prompts, seeds, prompt_sd):
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(prompts), seeds)
    covered = 0
    for _ in range(2500):
        values = np.repeat(rng.normal(0, prompt_sd, prompts), seeds) + rng.normal(size=prompts * seeds)
        result = mean_interval(values, clusters)
        covered += result.low <= 0 <= result.high
    assert 0.93 <= covered / 2500 <= 0.97


def test_bca_agrees_with_scipy():
    values = np.random.default_rng(4).exponential(size=40)
    ours = bootstrap_interval(values, rng=np.random.default_rng(5), draws=200_000)
    rng = np.random.default_rng(6)
    theirs = scipy_stats.bootstrap((values,), np.mean, n_resamples=200_000, batch=20_000, method="BCa", rng=rng)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)
    assert ours.standard_error == pytest.approx(theirs.standard_error, rel=0.03)


def test_bca_differs_from_percentile_on_skewed_data():
    values = np.random.default_rng(4).exponential(size=40)
    bca = bootstrap_interval(values, rng=np.random.default_rng(5))
    percentile = bootstrap_interval(values, rng=np.random.default_rng(5), method="percentile")
    assert bca.high > percentile.high
    assert bca.low > percentile.low


def test_bootstrap_takes_other_statistics_and_clusters():
    values = np.repeat([1.0, 2.0, 9.0], 4)
    result = bootstrap_interval(
        values, rng=np.random.default_rng(0), statistic=np.median, clusters=np.repeat([1, 2, 3], 4)
    )
    assert result.estimate == 2.0
    assert (result.n, result.n_clusters) == (12, 3)


def test_bootstrap_depends_on_the_generator_alone():
    values = np.arange(10.0)
    first, again = (bootstrap_interval(values, rng=np.random.default_rng(7)) for _ in range(2))
    assert first == again


def test_bootstrap_says_when_bca_is_undefined():
    result = bootstrap_interval([2.0, 2.0, 2.0], rng=np.random.default_rng(0), draws=50)
    assert (result.low, result.high) == (2.0, 2.0)
    assert result.method == "percentile (BCa undefined) bootstrap over 3 clusters, 50 draws"


def test_bootstrap_with_little_data_answers_like_the_mean():
    assert bootstrap_interval([], rng=np.random.default_rng(0)).method == "no values"
    assert math.isnan(bootstrap_interval([1.0], rng=np.random.default_rng(0)).low)


def test_bootstrap_refuses_an_unknown_method_and_no_draws():
    with pytest.raises(StatisticsError, match="'bca' or 'percentile', got 'normal'"):
        bootstrap_interval([1.0, 2.0], rng=np.random.default_rng(0), method="normal")
    with pytest.raises(StatisticsError, match="draws must be at least 1, got 0"):
        bootstrap_interval([1.0, 2.0], rng=np.random.default_rng(0), draws=0)


def test_bootstrap_coverage():
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(2000):
        result = bootstrap_interval(rng.normal(size=40), rng=rng, draws=300)
        covered += result.low <= 0 <= result.high
    assert 0.925 <= covered / 2000 <= 0.97  # the bootstrap is a little short at n = 40


def test_intraclass_correlation():
    # Between mean square 8 with 1 degree of freedom, within 0.5 with 2: (8 - 0.5) / (8 + 0.5).
    assert intraclass_correlation([0.0, 1.0, 2.0, 4.0], ["a", "a", "b", "b"]) == pytest.approx(
        (6.25 - 1.25) / (6.25 + 1.25)
    )
    assert intraclass_correlation([1.0, 1.0, 2.0, 2.0], ["a", "a", "b", "b"]) == 1.0
    assert math.isnan(intraclass_correlation([1.0, 2.0], ["a", "b"]))
    assert math.isnan(intraclass_correlation([1.0, 1.0, 1.0], ["a", "a", "b"]))


def test_intraclass_correlation_recovers_the_simulated_share():
    rng = np.random.default_rng(9)
    values = np.repeat(rng.normal(0, 1, 2000), 5) + rng.normal(0, 2, 10_000)
    assert intraclass_correlation(values, np.repeat(np.arange(2000), 5)) == pytest.approx(1 / 5, abs=0.03)
