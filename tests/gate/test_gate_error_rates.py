"""How often the gate errs, simulated: the quick form of benchmarks/gate_error_rates.py, and all of it as a slow test.

Tolerances are those of the binomial: a correct rate fails a bound here less than once in a thousand times, and the seed
is fixed.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from stepbench.stats import gate_prompts

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gate_error_rates.py"


@pytest.fixture(scope="module")
def rates() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gate_error_rates", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_simulated_losses_have_the_promised_mean_spread_and_correlation(rates):
    table = rates.losses(np.random.default_rng(0), 40_000, [0.0, 2.0], 3.0)
    assert table.mean(axis=0) == pytest.approx([0.0, 2.0], abs=0.06)
    assert table.std(axis=0) == pytest.approx([3.0, 3.0], rel=0.02)
    assert np.corrcoef(table.T)[0, 1] == pytest.approx(rates.SHARED, abs=0.02)
    for noise in rates.NOISES.values():
        draws = noise(np.random.default_rng(1), (200_000, 1))
        assert (draws.mean(), draws.std()) == pytest.approx((0.0, 1.0), abs=0.05)


@pytest.mark.parametrize("metrics", [1, 5, 16])
def test_no_change_is_rarely_called_a_regression_even_where_nothing_can_be_told(rates, metrics):
    # A spread of 30 margins: nearly as many false alarms as can be had. Nominal: at most 2.5 %.
    ended = rates.shares(np.random.default_rng(metrics), 400, 8, [0.0] * metrics, 30.0)
    assert ended["regression"] <= 0.05


def test_holm_holds_where_every_metric_has_lost_all_but_its_margin(rates):
    # Without the correction about one gate in seven would fail here.
    ended = rates.shares(np.random.default_rng(3), 400, 24, [1.0] * 16, 3.0)
    assert ended["regression"] <= 0.05
    assert ended["pass"] <= 0.01


def test_a_gate_of_one_metric_errs_as_often_as_alpha_says(rates):
    ended = rates.shares(np.random.default_rng(4), 1500, 12, [1.0], 3.0)
    assert 0.012 <= ended["regression"] <= 0.040  # 2.5 %
    assert 0.012 <= ended["pass"] <= 0.040


@pytest.mark.parametrize(("metrics", "deviation"), [(1, 1.0), (5, 0.5)])
def test_at_the_recommended_n_the_unchanged_passes_and_a_drop_of_one_and_a_half_margins_is_found(
    rates, metrics, deviation
):
    n = int(gate_prompts(1.0, deviation, metrics=metrics))
    rng = np.random.default_rng(metrics)
    assert rates.shares(rng, 300, n, [0.0] * metrics, deviation)["pass"] >= 0.95
    dropped = rates.shares(rng, 300, n, [1.5] + [0.0] * (metrics - 1), deviation)
    assert dropped["regression"] >= 0.90
    assert dropped["pass"] == 0


def test_unchanged_models_are_not_flagged_in_95_of_100_seeds_and_identical_runs_never(rates):
    for seed in range(100):
        rng = np.random.default_rng(seed)
        identical = np.zeros((int(rng.integers(2, 40)), 5))
        assert rates.verdicts(identical) == ["pass"] * 5
    flagged = [
        "regression" in rates.verdicts(rates.losses(np.random.default_rng(seed), 32, [0.0] * 5, 3.0))
        for seed in range(100)
    ]
    assert sum(flagged) <= 5


@pytest.mark.slow
def test_the_whole_table(rates):
    for what, metrics, n, passed, _, regression in rates.report(2000):
        rate, missed = float(regression.rstrip("%")), float(passed.rstrip("%"))
        if what.startswith("no change"):
            assert rate <= 5, (what, metrics, n)
        if what.startswith("one metric loses"):
            assert rate >= 90, (what, metrics, n)
            assert missed == 0, (what, metrics, n)
        if what.startswith("every metric loses 1 margin, normal"):
            assert rate <= 3.8, (what, metrics, n)  # 2.5 % and what 2,000 draws leave open


@pytest.mark.slow
def test_set_metrics_err_as_seldom(rates):
    rng = np.random.default_rng(0)
    unchanged = rates.set_metric_shares(rng, 200, 128, 0.0)
    assert unchanged["regression"] == 0
    assert unchanged["pass"] >= 0.95
    assert rates.set_metric_shares(rng, 200, 128, 1.0)["regression"] <= 0.06
