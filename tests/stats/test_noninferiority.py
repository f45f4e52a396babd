"""Non-inferiority: against scipy's t test, the interval it inverts, and the numbers of prompts it promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stepbench.stats import (
    StatisticsError,
    detectable_effect,
    gate_prompts,
    mean_interval,
    prompts_to_settle,
    regression_p,
    required_n,
)
from stepbench.stats.noninferiority import loss_interval


def test_p_is_twice_the_one_sided_t_test_against_the_margin():
    losses = np.random.default_rng(0).normal(0.4, 1.0, 25)
    expected = scipy_stats.ttest_1samp(losses, 0.1, alternative="greater").pvalue
    error = losses.std(ddof=1) / 5
    assert regression_p(losses.mean(), error, 25, 0.1) == pytest.approx(2 * expected)


@given(loss=st.floats(-3, 3), error=st.floats(0.01, 2), n=st.integers(2, 200), margin=st.floats(0, 2))
def test_p_below_alpha_says_that_the_interval_lies_beyond_the_margin(loss, error, n, margin):
    low = loss_interval(loss, error, n, 0.95)[0]
    if abs(low - margin) > 1e-9:
        assert (regression_p(loss, error, n, margin) <= 0.05) == (low > margin)


def test_the_interval_is_that_of_the_mean():
    losses = np.random.default_rng(1).normal(size=12)
    expected = mean_interval(losses, level=0.9)
    assert loss_interval(expected.estimate, expected.standard_error, 12, 0.9) == pytest.approx(
        (expected.low, expected.high)
    )


def test_without_prompts_or_spread_there_is_an_answer():
    assert math.isnan(regression_p(1.0, 1.0, 1, 0.0))
    assert math.isnan(loss_interval(1.0, 1.0, 1, 0.95)[0])
    assert regression_p(0.2, 0.0, 5, 0.1) == 0.0
    assert regression_p(0.1, 0.0, 5, 0.1) == 1.0
    assert regression_p(0.0, 0.0, 5, 0.0) == 1.0
    assert prompts_to_settle(0.5, 0.0, 0.1) == 2
    assert prompts_to_settle(0.1, 1.0, 0.1) == math.inf
    assert prompts_to_settle(0.1, 0.0, 0.1) == math.inf
    assert prompts_to_settle(0.0, 1.0, 1e-180) == math.inf


@given(loss=st.floats(-2, 2), deviation=st.floats(0.05, 2))
def test_prompts_to_settle_is_the_n_of_a_paired_t_test_at_that_distance(loss, deviation):
    if abs(loss - 0.5) > 0.02:
        assert prompts_to_settle(loss, deviation, 0.5) == required_n(loss - 0.5, deviation)


def test_very_many_prompts_are_counted_by_the_normal_test():
    n = prompts_to_settle(0.1, 1.0, 0.101)
    assert n == math.ceil(((1.959963985 + 0.841621234) / 0.001) ** 2)


def test_the_recommended_n_catches_the_drop_and_is_the_smallest_that_does():
    n = gate_prompts(0.2, 0.5, metrics=5, power=0.95)
    assert (
        detectable_effect(0.5, n, alpha=0.01, power=0.95) <= 0.1 < detectable_effect(0.5, n - 1, alpha=0.01, power=0.95)
    )
    # A drop of five margins is easy to see: then it is passing what is unchanged that needs the prompts.
    assert gate_prompts(0.2, 0.5, drop=5.0) == required_n(0.2, 0.5, power=0.95)
    assert gate_prompts(0.2, 0.5, metrics=4, drop=9.0) == required_n(0.2, 0.5, power=1 - 0.05 / 4)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: regression_p(0, 1, 5, -0.1), "margin must be finite and not negative, got -0.1"),
        (lambda: regression_p(0, 1, 5, math.inf), "margin must be finite and not negative, got inf"),
        (lambda: regression_p(0, 1, -5, 0.1), "n must be a number of prompts, got -5"),
        (lambda: loss_interval(0, 1, 5, 95), "level must lie between 0 and 1, got 95"),
        (lambda: prompts_to_settle(0, -1, 0.1), "standard_deviation must be finite and not negative"),
        (lambda: gate_prompts(0.0, 1.0), "a margin must be above 0 to plan for, got 0.0"),
        (lambda: gate_prompts(0.1, 1.0, drop=1.0), "a drop is counted in margins and must exceed 1, got 1.0"),
        (lambda: gate_prompts(0.1, 1.0, metrics=0), "a gate has at least one metric, got 0"),
        (lambda: gate_prompts(0.1, 1.0, power=1.0), "power must lie between 0 and 1, got 1.0"),
    ],
)
def test_bad_input_is_refused(call, complaint):
    with pytest.raises(StatisticsError, match=complaint):
        call()
