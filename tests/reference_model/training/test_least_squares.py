"""Linear codes and fits against numpy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reference_model.training.least_squares import RIDGE, principal_directions, ridge


def correlated(rows=200, width=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, width)) @ rng.standard_normal((width, width)) + rng.standard_normal(width)


@pytest.mark.parametrize(("rows", "width"), [(200, 6), (5, 30)])
def test_directions_are_those_of_the_singular_value_decomposition(rows, width):
    data = correlated(rows, width)
    directions, mean, spread = principal_directions(torch.from_numpy(data), 4)
    _, values, right = np.linalg.svd(data - data.mean(axis=0), full_matrices=False)
    assert np.allclose(mean, data.mean(axis=0))
    assert np.allclose(spread, values[:4] / np.sqrt(len(data)))
    assert np.allclose(np.abs((directions.numpy() * right[:4].T).sum(axis=0)), 1)


def test_more_directions_than_rows_are_still_orthonormal():
    directions, _, spread = principal_directions(torch.from_numpy(correlated(3, 8)), 5)
    assert torch.allclose(directions.T @ directions, torch.eye(5, dtype=torch.float64))
    assert (spread[:2] > 0.1).all()
    assert (spread[2:] < 1e-5).all()


def test_a_code_of_full_width_loses_nothing():
    data = torch.from_numpy(correlated())
    directions, mean, _ = principal_directions(data, 6)
    assert torch.allclose((data - mean) @ directions @ directions.T + mean, data)


def test_ridge_is_least_squares_with_prior_rows():
    """The penalty is one more row of sqrt(lambda) per input, with target 0."""
    data, rng = correlated(), np.random.default_rng(1)
    targets = data @ rng.standard_normal((6, 2)) + rng.standard_normal((200, 2)) + 3
    weight, bias = ridge(torch.from_numpy(data), torch.from_numpy(targets))
    centred, aims = data - data.mean(axis=0), targets - targets.mean(axis=0)
    penalty = np.sqrt(RIDGE * np.mean(np.diag(centred.T @ centred)))
    rows, answers = np.vstack([centred, penalty * np.eye(6)]), np.vstack([aims, np.zeros((6, 2))])
    expected = np.linalg.lstsq(rows, answers, rcond=None)[0]
    assert np.allclose(weight, expected)
    assert np.allclose(bias, targets.mean(axis=0) - data.mean(axis=0) @ expected)


def test_sums_are_exact_enough_far_from_the_origin():
    """Sums in float32 would lose everything that the rows differ in."""
    data = torch.from_numpy(correlated()).float() + 1e4
    for rows in (data, data.double()):
        weight, bias = ridge(rows, rows[:, :1] * 2)
        assert (rows @ weight + bias - rows[:, :1] * 2).abs().max() < 0.05
        directions, _, spread = principal_directions(rows, 6)
        assert torch.allclose(directions.T @ directions, torch.eye(6).to(rows), atol=1e-5)
        assert torch.allclose(spread.square().sum(), rows.double().var(dim=0, correction=0).sum().to(rows))
