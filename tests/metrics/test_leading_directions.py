"""Resampling in leading directions: exact where nothing is left out, near where little is."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import set_distance
from metrics.functional import frechet_distance, kernel_distance
from metrics.functional.leading import leading_directions
from metrics.set_distance import SetDistance


def falling(rows: int, dimensions: int, seed: int, power: float = 1.0) -> np.ndarray:
    """Points of falling variance, turned at random; the same turn for every seed."""
    turn = np.linalg.qr(np.random.default_rng(9).standard_normal((dimensions, dimensions)))[0]
    random = np.random.default_rng(seed)
    return (random.standard_normal((rows, dimensions)) * np.arange(1, dimensions + 1) ** -power + 0.1 * seed) @ turn


@pytest.mark.parametrize("rows", [12, 60])
def test_all_of_the_variance_gives_the_distance_itself(rows: int):
    x, y = falling(rows, 24, 0), falling(40, 24, 1)
    found = leading_directions([x, y], share=1.0)
    assert found.share == pytest.approx(1, rel=1e-12)
    assert float(frechet_distance(*found.sides)) == pytest.approx(float(frechet_distance(x, y)), rel=1e-9)


def test_as_few_directions_as_hold_the_share():
    x, y = falling(80, 48, 0), falling(70, 48, 1)
    points = np.concatenate([x, y]) - np.concatenate([x, y]).mean(axis=0)
    variances = np.square(np.linalg.svd(points, compute_uv=False))
    held = np.cumsum(variances) / variances.sum()
    found = leading_directions([x, y], share=0.9)
    assert found.share == pytest.approx(held[found.dimensions - 1], rel=1e-9)
    assert held[found.dimensions - 2] < 0.9 <= found.share
    assert [side.shape for side in found.sides] == [(80, found.dimensions), (70, found.dimensions)]


def test_equal_points_keep_all_directions():
    found = leading_directions([np.ones((3, 5)), np.ones((4, 5))])
    assert found.dimensions == 5
    assert not any(side.any() for side in found.sides)


def test_resamples_vary_as_those_of_all_dimensions_do():
    x, y = falling(60, 96, 0), falling(90, 96, 1)
    reduced = leading_directions([x, y], share=0.97)
    assert reduced.dimensions < 40
    random = np.random.default_rng(3)
    draws = [random.integers(60, size=60) for _ in range(80)]
    whole = np.array([float(frechet_distance(x[rows], y)) for rows in draws])
    less = np.array([float(frechet_distance(reduced.sides[0][rows], reduced.sides[1])) for rows in draws])
    assert less.std() == pytest.approx(whole.std(), rel=0.05)
    assert np.corrcoef(whole, less)[0, 1] > 0.98


def test_only_what_takes_long_is_reduced(monkeypatch: pytest.MonkeyPatch):
    x, y = falling(10, 12, 0), falling(8, 12, 1)
    distance = SetDistance(of_features=frechet_distance, rows_per_clip=3)
    for one, at_most, many in (
        (distance, 10**6, 2),
        (distance, 0, 4),
        (SetDistance(of_features=kernel_distance, needs_rank=False), 0, 2),
        (SetDistance(of_features=frechet_distance, blocks=2), 0, 2),
    ):
        monkeypatch.setattr(set_distance, "MANY_DIMENSIONS", many)
        sides, said = one.for_resampling(x, y, at_most=at_most)
        assert said == ""
        assert np.array_equal(sides[0], x)
    monkeypatch.setattr(set_distance, "MANY_DIMENSIONS", 2)
    (less, _), said = distance.for_resampling(x, y, at_most=0)
    assert less.shape[1] % 3 == 0, "as many frames per clip as before"
    assert "leading dimensions" in said
