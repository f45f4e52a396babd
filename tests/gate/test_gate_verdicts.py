"""The rule of the gate: the interval decides, Holm over the family, and what is missing never passes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepbench.gate.verdicts import Evidence, decide, worst
from stepbench.stats import holm, regression_p
from stepbench.stats.noninferiority import loss_interval


def evidence(loss: float, error: float = 1.0, n: int = 30, margin: float = 1.0, **kwargs) -> Evidence:
    low, high = loss_interval(loss, error, n, 0.95)
    return Evidence(n=n, loss=loss, low=low, high=high, standard_error=error, margin=margin, **kwargs)


def verdicts(*found: Evidence) -> list[str]:
    return [decision.verdict for decision in decide(found, 0.05)]


@given(loss=st.floats(-10, 10), error=st.floats(0, 3), n=st.integers(2, 100), margin=st.floats(0, 5))
def test_one_metric_is_decided_by_where_its_interval_lies(loss, error, n, margin):
    one = evidence(loss, error, n, margin)
    if min(abs(one.low - margin), abs(one.high - margin)) < 1e-9 * (1 + margin):
        return
    expected = "pass" if one.high <= margin else "regression" if one.low > margin else "inconclusive"
    assert verdicts(one) == [expected]


def test_identical_runs_pass_at_any_margin():
    assert verdicts(evidence(0.0, 0.0, 2, 0.0), evidence(0.0, 0.0, 50, 0.1)) == ["pass", "pass"]


def test_regressions_are_corrected_over_the_family_and_passes_are_not():
    alone = evidence(3.2)  # lies beyond the margin at 95 %, not at 99 %
    assert verdicts(alone) == ["regression"]
    fine = [evidence(-3.0)] * 4
    assert verdicts(alone, *fine) == ["inconclusive", "pass", "pass", "pass", "pass"]
    # Four clear regressions leave a family of one: Holm steps down.
    assert verdicts(alone, *[evidence(9.0)] * 4) == ["regression"] * 5


@given(st.lists(st.floats(-3, 6), min_size=1, max_size=8))
def test_the_corrected_interval_says_what_holm_says(losses):
    found = [evidence(loss) for loss in losses]
    adjusted = holm([regression_p(one.loss, one.standard_error, one.n, one.margin) for one in found])
    for one, decision, p in zip(found, decide(found, 0.05), adjusted, strict=True):
        assert decision.p == pytest.approx(p)
        if abs(decision.corrected_low - one.margin) > 1e-9:
            assert (decision.corrected_low > one.margin) == (p <= 0.05) == (decision.verdict == "regression")


def test_what_could_not_be_tested_counts_in_the_family():
    alone, gone = evidence(3.2), evidence(math.nan, math.nan, 0, covered=False)
    assert verdicts(alone, gone) == ["inconclusive", "incomplete"]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (evidence(math.nan, math.nan, 0, covered=False), "incomplete"),
        (evidence(0.0, math.nan, 1), "inconclusive"),
        (evidence(50.0, math.nan, 1), "inconclusive"),
        (evidence(-50.0, min_n=31), "inconclusive"),
        (evidence(50.0, min_n=31), "inconclusive"),
        (evidence(50.0, min_n=30), "regression"),
        (evidence(-50.0, covered=False), "incomplete"),
        (evidence(0.5, covered=False), "incomplete"),
        (evidence(50.0, covered=False), "regression"),
        (evidence(-50.0, limits_hold=False), "regression"),
        (evidence(-50.0, limits_hold=False, covered=False), "regression"),
    ],
)
def test_too_little_missing_scores_and_limits(one, expected):
    assert verdicts(one) == [expected]


def test_the_lopsided_interval_of_a_set_metric_decides_like_any_other():
    def found(low: float, high: float) -> Evidence:
        return Evidence(n=30, loss=3.2, low=low, high=high, standard_error=1.0, margin=1.0)

    assert verdicts(found(0.99, 9.0)) == ["inconclusive"]
    assert verdicts(found(1.01, 9.0)) == ["regression"]
    # Of several tests one must be surer: the good end is moved out as far as Holm demands.
    assert verdicts(found(1.01, 9.0), evidence(-9.0)) == ["inconclusive", "pass"]
    assert verdicts(found(2.9, 9.0), evidence(-9.0)) == ["regression", "pass"]


def test_more_prompts_are_needed_than_there_are_whenever_nothing_is_decided():
    rng = np.random.default_rng(0)
    for loss in rng.uniform(-3, 5, size=60):
        decision = decide([evidence(loss, n=12), evidence(-9.0), evidence(-9.0)], 0.05)[0]
        if decision.verdict == "inconclusive":
            assert decision.n_needed > 12
        else:
            assert math.isnan(decision.n_needed)
    assert decide([evidence(1.0)], 0.05)[0].n_needed == math.inf
    assert decide([evidence(-50.0, min_n=500)], 0.05)[0].n_needed == 500


def test_the_worst_metric_gives_the_verdict():
    assert worst(["pass", "inconclusive", "incomplete"]) == "incomplete"
    assert worst(["incomplete", "regression"]) == "regression"
    assert worst(["pass", "inconclusive"]) == "inconclusive"
    assert worst(["pass"]) == "pass"
