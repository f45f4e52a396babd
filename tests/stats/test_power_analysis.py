"""Power: against statsmodels, against simulation, and the published win-rate table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.power import TTestPower

from stepbench.stats import StatisticsError, detectable_effect, detectable_win_rate, required_n, required_votes


@pytest.mark.parametrize("n", [3, 5, 20, 128, 946])
@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.01, 0.6)])
def test_detectable_effect_equals_statsmodels(n, alpha, power):
    effect = detectable_effect(1.0, n, alpha=alpha, power=power)
    assert TTestPower().power(effect, n, alpha) == pytest.approx(power, abs=1e-6)
    assert detectable_effect(0.12, n, alpha=alpha, power=power) == pytest.approx(0.12 * effect)


def test_detectable_effect_approaches_the_normal_formula():
    assert detectable_effect(1.0, 10**6) == pytest.approx((1.959964 + 0.841621) / 1000, rel=1e-5)


def test_detectable_effect_is_found_as_often_as_promised():
    effect = detectable_effect(2.0, 10)
    samples = np.random.default_rng(0).normal(effect, 2.0, size=(20_000, 10))
    found = np.mean(scipy_stats.ttest_1samp(samples, 0, axis=1).pvalue <= 0.05)
    assert found == pytest.approx(0.8, abs=0.01)


def test_extremes_have_an_answer():
    assert math.isnan(detectable_effect(1.0, 0))
    assert math.isnan(detectable_effect(1.0, 1))
    assert detectable_effect(0.0, 10) == 0.0
    # Two prompts, alpha one in a million: the test has 1 degree of freedom and its critical value is 636,620.
    assert 5e5 < detectable_effect(1.0, 2, alpha=1e-6) < 7e5
    assert required_n(0.1, 0.0) == 2


@pytest.mark.parametrize(("effect", "alpha", "power"), [(0.5, 0.05, 0.8), (-0.2, 0.05, 0.9), (3.0, 0.01, 0.8)])
def test_required_n_is_the_smallest_that_suffices(effect, alpha, power):
    n = required_n(effect, 1.0, alpha=alpha, power=power)
    assert detectable_effect(1.0, n, alpha=alpha, power=power) <= abs(effect)
    assert n == 2 or detectable_effect(1.0, n - 1, alpha=alpha, power=power) > abs(effect)


def test_required_n_equals_statsmodels():
    assert required_n(0.25, 1.0) == math.ceil(TTestPower().solve_power(effect_size=0.25, alpha=0.05, power=0.8))


def test_win_rate_table():
    sizes = (50, 128, 200, 400, 800, 946, 1600, 3200)
    table = {
        0.0: (19.8, 12.4, 9.9, 7.0, 5.0, 4.6, 3.5, 2.5),
        0.2: (17.7, 11.1, 8.9, 6.3, 4.4, 4.1, 3.1, 2.2),
        0.4: (15.3, 9.6, 7.7, 5.4, 3.8, 3.5, 2.7, 1.9),
    }
    for tie_rate, points in table.items():
        assert [round(100 * detectable_win_rate(n, tie_rate), 1) for n in sizes] == list(points)
    assert [required_votes(shift, 0.2) for shift in (0.1, 0.05, 0.03, 0.02)] == [157, 628, 1745, 3925]


def test_win_rate_is_found_as_often_as_promised():
    shift = detectable_win_rate(400, 0.2)
    votes = np.random.default_rng(1).choice([0.0, 0.5, 1.0], p=[0.4 - shift, 0.2, 0.4 + shift], size=(5000, 400))
    found = np.mean(scipy_stats.ttest_1samp(votes, 0.5, axis=1).pvalue <= 0.05)
    assert found == pytest.approx(0.8, abs=0.02)


def test_too_few_votes_detect_nothing():
    assert math.isnan(detectable_win_rate(0))
    assert math.isnan(detectable_win_rate(4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: detectable_effect(-1.0, 10), "standard_deviation must be finite and not negative, got -1.0"),
        (lambda: detectable_effect(1.0, -1), "n must be a number of prompts, got -1"),
        (lambda: detectable_effect(1.0, 10, alpha=5), "alpha must lie between 0 and 1, got 5"),
        (lambda: detectable_effect(1.0, 10, power=0.01), "power must exceed alpha, got power 0.01 with alpha 0.05"),
        (lambda: required_n(0.0, 1.0), "effect must be finite and not 0, got 0.0"),
        (lambda: detectable_win_rate(10, 1.0), r"tie_rate must lie in \[0, 1\), got 1.0"),
        (lambda: detectable_win_rate(2.5), "n must be a number of votes, got 2.5"),
        (lambda: required_votes(5), "shift must lie between 0 and 0.5, got 5"),
    ],
)
def test_impossible_questions_are_refused(call, message):
    with pytest.raises(StatisticsError, match=message):
        call()
