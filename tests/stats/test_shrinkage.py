"""Shrinkage of category means: a published example, the limits, and that it brings means closer to the truth."""

from __future__ import annotations

import numpy as np
import pytest

from stepbench.stats import StatisticsError, shrink_means


def test_the_eight_schools():
    # Rubin (1981), as in Bayesian Data Analysis, section 5.5; posterior means under a flat prior of the spread.
    table = shrink_means([28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18])
    assert list(table.columns) == ["mean", "shrunk", "low", "high", "weight"]
    assert table["shrunk"].to_numpy() == pytest.approx([11.4, 7.9, 6.2, 7.6, 5.1, 6.2, 10.6, 8.5], abs=0.15)


def test_equal_errors_shrink_alike_around_the_mean():
    table = shrink_means([0.0, 2.0, 4.0], [1.0, 1.0, 1.0])
    assert table["weight"].to_numpy() == pytest.approx([table["weight"].iloc[0]] * 3)
    weight = table["weight"].iloc[0]
    assert table["shrunk"].to_numpy() == pytest.approx([2 - 2 * weight, 2.0, 2 + 2 * weight])
    assert 0.5 < weight < 1


def test_little_noise_shrinks_little_and_much_noise_much():
    assert (shrink_means([0.0, 2.0, 4.0], [0.01] * 3)["weight"] > 0.99).all()
    assert (shrink_means([0.99, 1.0, 1.01] * 20, [1.0] * 60)["weight"] < 0.1).all()


def test_the_noisier_group_is_pulled_further():
    table = shrink_means([0.0, 10.0, 4.0, 6.0], [0.1, 5.0, 0.1, 0.1])
    assert table["weight"].iloc[1] < 0.6 < 0.99 < table["weight"].iloc[0]


def test_one_hopelessly_noisy_group_does_not_blur_the_others():
    precise = [0.0, 0.02, 0.04, 0.06]
    alone = shrink_means(precise, [0.01] * 4)
    beside = shrink_means([*precise, 300.0], [0.01] * 4 + [100.0])
    assert beside["shrunk"].to_numpy()[:4] == pytest.approx(alone["shrunk"].to_numpy(), abs=2e-3)


def test_groups_without_noise_stay_where_they_are():
    table = shrink_means([1.0, 3.0], [0.0, 0.0])
    assert list(table["shrunk"]) == [1.0, 3.0]
    assert list(table["low"]) == [1.0, 3.0]
    table = shrink_means([1.0, 3.0, 5.0], [0.0, 1.0, 1.0])
    assert table["shrunk"].iloc[0] == pytest.approx(1.0)
    assert np.isfinite(table).all(axis=None)


def test_no_group_and_one_group():
    assert len(shrink_means([], [])) == 0
    one = shrink_means([2.0], [1.0], level=0.5)
    assert one["shrunk"].iloc[0] == 2.0
    assert one["high"].iloc[0] == pytest.approx(2.6745, abs=1e-4)


def test_shrinking_brings_means_closer_to_the_truth_and_covers():
    rng = np.random.default_rng(0)
    raw_error = shrunk_error = covered = 0.0
    for _ in range(500):
        truth = rng.normal(0, 0.5, 11)
        errors = rng.uniform(0.3, 1.0, 11)
        table = shrink_means(rng.normal(truth, errors), errors)
        raw_error += ((table["mean"] - truth) ** 2).mean()
        shrunk_error += ((table["shrunk"] - truth) ** 2).mean()
        covered += ((table["low"] <= truth) & (truth <= table["high"])).mean()
    assert shrunk_error < 0.6 * raw_error
    assert 0.93 <= covered / 500 <= 0.97


@pytest.mark.parametrize(
    ("means", "errors", "message"),
    [
        ([1.0, 2.0], [1.0], "one standard error per mean, got 1 for 2 means"),
        ([1.0, 2.0], [1.0, -1.0], "standard errors are not negative, got -1.0"),
        ([1.0, float("nan")], [1.0, 1.0], "means must be finite"),
        ([1.0, 2.0], [1.0, float("nan")], "standard_errors must be finite"),
    ],
)
def test_bad_input_is_refused(means, errors, message):
    with pytest.raises(StatisticsError, match=message):
        shrink_means(means, errors)
