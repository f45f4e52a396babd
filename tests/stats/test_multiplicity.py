"""Holm and Benjamini-Hochberg against statsmodels and scipy, and the rule for missing p values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from stepbench.stats import StatisticsError, benjamini_hochberg, holm

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_worked_example():
    # Holm: 4 x .01 = .04, then 3 x .02 = .06, 2 x .03 = .06 and 1 x .04 = .04, which may not fall below .06.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    # Benjamini-Hochberg: each p times 4 / rank is .04.
    assert benjamini_hochberg([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.04] * 4)


@settings(max_examples=60, deadline=None)
@given(p_values)
def test_holm_equals_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@settings(max_examples=60, deadline=None)
@given(p_values)
def test_benjamini_hochberg_equals_scipy(p):
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p, method="bh"))


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_a_missing_p_stays_missing_and_still_counts(adjust):
    adjusted = adjust([0.01, np.nan, 0.02])
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2]] == pytest.approx(adjust([0.01, 1.0, 0.02])[[0, 2]])
    assert (adjusted[[0, 2]] > adjust([0.01, 0.02])).all()


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_empty_family_and_single_test(adjust):
    assert adjust([]).shape == (0,)
    assert adjust([0.03]) == [0.03]
    assert np.isnan(adjust([np.nan, np.nan])).all()


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_impossible_p_values_are_refused(adjust):
    with pytest.raises(StatisticsError, match=r"got 1\.2 at index 1"):
        adjust([0.5, 1.2])
    with pytest.raises(StatisticsError, match=r"one-dimensional, got shape \(1, 1\)"):
        adjust([[0.5]])


def test_holm_keeps_the_family_wise_error_rate():
    p = np.random.default_rng(0).random((4000, 16))
    alarms = np.mean([(holm(row) <= 0.05).any() for row in p])
    uncorrected = np.mean((p <= 0.05).any(axis=1))
    assert alarms == pytest.approx(0.05, abs=0.015)
    assert uncorrected == pytest.approx(1 - 0.95**16, abs=0.03)  # 56 %: what the correction is for
