"""Always-valid monitoring: error rates under continuous looking, and the arithmetic of the bets."""

from __future__ import annotations

import numpy as np
import pytest

from stepbench.stats import StatisticsError, e_process, win_rate_monitor
from stepbench.stats.sequential import SHARES


def test_e_values_by_hand():
    # One win against one half: bets s / 0.5 on the win and -s / 0.5 on the loss pay 1 + s and 1 - s; they average to 1.
    assert e_process([1.0]) == pytest.approx([1.0])
    # Two wins: the mean of (1 + s)^2 and (1 - s)^2 over the bets, which is 1 + s^2.
    assert e_process([1.0, 1.0])[1] == pytest.approx(1 + np.mean(SHARES**2))
    # Ties against one half move nothing.
    assert e_process([0.5] * 5) == pytest.approx(np.ones(5))


def test_wins_and_losses_are_the_same_evidence():
    outcomes = np.random.default_rng(0).integers(0, 3, 50) / 2
    assert e_process(outcomes) == pytest.approx(e_process(1 - outcomes))


def test_the_expected_e_value_under_the_null_is_one():
    rng = np.random.default_rng(1)
    final = [e_process(rng.random(8) < 0.3, null=0.3)[-1] for _ in range(20_000)]
    assert np.mean(final) == pytest.approx(1.0, abs=0.06)


def test_looking_after_every_vote_keeps_the_error_rate():
    rng = np.random.default_rng(2)
    alarms = np.mean([(e_process(rng.random(1000) < 0.5) >= 20).any() for _ in range(1000)])
    assert alarms <= 0.05
    votes = rng.random((1000, 1000)) < 0.5
    count = np.arange(20, 1001)
    z = (votes.cumsum(axis=1)[:, 19:] - count / 2) / np.sqrt(count / 4)
    assert np.mean((np.abs(z) > 1.96).any(axis=1)) > 0.3  # what peeking at a z test does


def test_a_real_difference_is_found_about_as_soon_as_with_a_fixed_number():
    rng = np.random.default_rng(3)
    stops = [int(np.argmax(np.append(e_process(rng.random(3000) < 0.57), 20) >= 20)) for _ in range(200)]
    assert 250 < np.median(stops) < 600  # a fixed design needs 401 votes for 80 % power


def test_bounds_hold_at_all_times_together():
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(100):
        table = win_rate_monitor(rng.choice([0.0, 0.5, 1.0], p=[0.3, 0.2, 0.5], size=80))
        missed += not ((table["low"] <= 0.6) & (table["high"] >= 0.6)).all()
    assert missed <= 9  # 5 expected at most


def test_bounds_only_tighten_and_contain_a_clear_rate():
    outcomes = np.array([1, 1, 1, 0.5, 0] * 60, dtype=float)
    table = win_rate_monitor(outcomes)
    assert list(table.columns) == ["n", "win_rate", "low", "high", "e_value", "p"]
    assert table["low"].is_monotonic_increasing
    assert table["high"].is_monotonic_decreasing
    assert table["p"].is_monotonic_decreasing
    last = table.iloc[-1]
    assert last["win_rate"] == pytest.approx(0.7)
    assert 0.5 < last["low"] < 0.7 < last["high"] < 0.85
    assert last["p"] < 0.05


def test_p_and_bounds_agree():
    outcomes = (np.random.default_rng(5).random(400) < 0.65).astype(float)
    table = win_rate_monitor(outcomes)
    significant = table["p"] <= 0.05 / 1.01
    assert significant.any()
    assert (table["low"][significant] >= 0.5 - 0.002).all()


def test_extreme_rates_and_a_change_of_mind_stay_inside_zero_and_one():
    table = win_rate_monitor([1.0] * 300)
    assert table["high"].iloc[-1] == 1.0
    assert table["low"].iloc[-1] > 0.97
    table = win_rate_monitor([1.0] * 200 + [0.0] * 800)  # no single rate explains this: bounds stay ordered
    assert (table["low"] <= table["high"]).all()


def test_no_outcome_gives_an_empty_table():
    assert len(win_rate_monitor([])) == 0
    assert e_process([]).shape == (0,)


def test_bad_input_is_refused():
    with pytest.raises(StatisticsError, match=r"outcomes lie in \[0, 1\], got 2.0 at index 1"):
        e_process([1.0, 2.0])
    with pytest.raises(StatisticsError, match="null must lie between 0 and 1, got 0"):
        e_process([1.0], null=0)
    with pytest.raises(StatisticsError, match="level must lie between 0 and 1, got 95"):
        win_rate_monitor([1.0], level=95)
    with pytest.raises(StatisticsError, match="outcomes must be finite"):
        win_rate_monitor([float("nan")])
