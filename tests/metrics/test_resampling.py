"""Real against real, and intervals by resampling: what is drawn, and that the width is that of new clips."""

from __future__ import annotations

import numpy as np
import pytest

from metrics.errors import FeatureError, UndefinedScoreError
from metrics.functional import frechet_distance, kernel_distance
from metrics.functional.resampling import Floor, Interval, bootstrap_interval, real_against_real


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def difference_of_means(x: np.ndarray, y: np.ndarray) -> float:
    return float(x.mean() - y.mean())


def test_the_floor_compares_disjoint_clips_as_many_as_asked_for():
    sizes = []

    def distance(x: np.ndarray, y: np.ndarray) -> float:
        assert not set(x[:, 0]) & set(y[:, 0])
        assert len(set(x[:, 0])) == len(x) == len(y)
        sizes.append(len(x))
        return len(sizes)

    reference = np.arange(20.0)[:, None]
    assert real_against_real(distance, reference, n=6, rng=rng()) == Floor(2.5, 6)
    assert real_against_real(distance, reference, n=99, rng=rng(), splits=1) == Floor(5.0, 10)
    assert sizes == [6] * 4 + [10]


def test_the_floor_of_one_distribution_is_the_value_of_two_sets_from_it():
    draws = rng(1).standard_normal((40, 200, 8))
    values = [float(frechet_distance(pair[:100], pair[100:])) for pair in draws]
    floors = [real_against_real(frechet_distance, pair, n=100, rng=rng()).value for pair in draws]
    assert np.mean(floors) == pytest.approx(np.mean(values), rel=0.05)


def test_what_has_no_floor_is_refused():
    with pytest.raises(UndefinedScoreError, match=r"at least 4 reference clips, got 3 \(n = 9\)"):
        real_against_real(frechet_distance, np.zeros((3, 2)), n=9, rng=rng())
    with pytest.raises(UndefinedScoreError, match=r"at least 4 reference clips, got 9 \(n = 1\)"):
        real_against_real(frechet_distance, np.zeros((9, 2)), n=1, rng=rng())
    with pytest.raises(UndefinedScoreError, match="splits must be at least 1, got 0"):
        real_against_real(frechet_distance, np.zeros((9, 2)), n=4, rng=rng(), splits=0)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_intervals_are_as_wide_as_values_of_new_clips_vary(distance):
    # 95 % of normal values lie within 1.96 standard deviations to either side.
    n, d = 80, 12
    reference = rng(9).standard_normal((n, d))
    sets = 1.2 * rng(10).standard_normal((60, n, d)) + 0.2
    spread = np.std([float(distance(x, reference)) for x in sets], ddof=1)
    widths = [np.ptp(bootstrap_interval(distance, x, reference, rng=rng(), draws=60)) for x in sets[:8]]
    assert np.mean(widths) / (2 * 1.96) == pytest.approx(spread, rel=0.3)


def test_the_bias_of_repeated_clips_is_taken_out():
    x, y = rng(1).standard_normal((2, 30, 20))
    value = float(frechet_distance(x, y))
    low, high = bootstrap_interval(frechet_distance, x, y, rng=rng())
    repeated = x[rng().integers(30, size=30)]
    assert low < value < high
    assert float(frechet_distance(repeated, y)) > high


def test_units_are_drawn_as_one():
    # Two prompts, one of all zeros and one of all ones: a resample's mean is 0, 1/2 or 1 and nothing between.
    x, y, units = np.repeat([0.0, 1.0], 50)[:, None], np.zeros((4, 1)), np.repeat(["a", "b"], 50)
    assert bootstrap_interval(difference_of_means, x, y, rng=rng(), units=units, level=0.9) == pytest.approx(
        (0, 1), abs=0.2
    )
    alone = bootstrap_interval(difference_of_means, x, y, rng=rng(), level=0.9)
    assert alone == pytest.approx((0.42, 0.58), abs=0.03)


def test_prompts_of_both_sides_are_drawn_together():
    # Prompt k is about the number k, on both sides: the difference is 0 whatever prompts are drawn.
    units, others = np.repeat(["a", "b", "c"], 2), ["c", "b", "a"]
    x, y = np.repeat([0.0, 1.0, 2.0], 2)[:, None], np.array([[2.0], [1.0], [0.0]])
    together = bootstrap_interval(difference_of_means, x, y, rng=rng(), units=units, reference_units=others)
    assert together == pytest.approx((0, 0))
    assert np.ptp(bootstrap_interval(difference_of_means, x, y, rng=rng(), units=units)) > 1
    # What only the reference shows is there whatever is drawn.
    counted = bootstrap_interval(
        lambda x, y: float(np.sum(y == 9)),
        x,
        np.vstack([y, [[9.0]]]),
        rng=rng(),
        units=units,
        reference_units=[*others, "d"],
    )
    assert counted == (1, 1)


def test_pairs_are_drawn_together():
    x = rng(2).standard_normal((40, 3))
    pairs = np.arange(40)
    together = bootstrap_interval(difference_of_means, x, x + 1, rng=rng(), reference_units=pairs)
    assert together == pytest.approx((-1, -1))
    assert np.ptp(bootstrap_interval(difference_of_means, x, x + 1, rng=rng())) > 0.1


def test_an_interval_is_cut_to_the_range_of_its_metric():
    assert Interval(-1.0, 2.0).within((0.0, None)) == Interval(0.0, 2.0)
    assert Interval(-1.0, 2.0).within((None, 1.0)) == Interval(-1.0, 1.0)
    assert Interval(-1.0, 2.0).within((None, None)) == Interval(-1.0, 2.0)


def test_what_has_no_interval_is_refused():
    x = np.zeros((6, 2))

    def interval(**options: object) -> Interval:
        return bootstrap_interval(frechet_distance, x, options.pop("y", x), rng=rng(), **options)  # type: ignore[arg-type]

    with pytest.raises(UndefinedScoreError, match="at least 2 units to draw from, got 1"):
        interval(units=["a"] * 6)
    with pytest.raises(UndefinedScoreError, match=r"every clip needs one unit: 6 clips, units of shape \(5,\)"):
        interval(units=["a"] * 5)
    with pytest.raises(UndefinedScoreError, match=r"every clip needs one unit: 4 clips, units of shape \(6,\)"):
        interval(reference_units=range(6), y=x[:4])
    with pytest.raises(UndefinedScoreError, match="the reference has no clip of 2 units, the first is 4"):
        interval(reference_units=range(4), y=x[:4])
    with pytest.raises(UndefinedScoreError, match="level between 0 and 1, got 1 and 0"):
        interval(draws=1)
    with pytest.raises(UndefinedScoreError, match="got 200 and 95"):
        interval(level=95)
    with pytest.raises(FeatureError, match="same number of dimensions, got 2 and 1"):
        interval(y=x[:, :1])
