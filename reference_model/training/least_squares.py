"""Linear codes and linear fits, in float64."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

RIDGE = 1e-4
"""Added to the diagonal of the normal equations, as a share of its mean."""


def principal_directions(
    rows: Float[Tensor, "rows width"], count: int
) -> tuple[Float[Tensor, "width count"], Float[Tensor, " width"], Float[Tensor, " count"]]:
    """Directions of largest variance.

    Returns:
        Orthonormal directions, largest first; the mean of the rows; the standard deviation along each direction.
    """
    mean = rows.double().mean(dim=0)
    centred = rows.double() - mean
    if count <= len(rows) < rows.shape[1]:
        # The covariance would be a large matrix of small rank.
        _, spread, vectors = torch.linalg.svd(centred, full_matrices=False)
        vectors, spread = vectors[:count].T, spread[:count] / len(rows) ** 0.5
    else:
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))
        vectors, spread = vectors.flip(1)[:, :count], values.flip(0)[:count].clamp(min=0).sqrt()
    return vectors.to(rows), mean.to(rows), spread.clamp(min=1e-6).to(rows)


def ridge(
    rows: Float[Tensor, "rows in"], targets: Float[Tensor, "rows out"]
) -> tuple[Float[Tensor, "in out"], Float[Tensor, " out"]]:
    """Weight and bias of the regularised least-squares fit `targets = rows @ weight + bias`."""
    x, y = rows.double(), targets.double()
    x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
    x, y = x - x_mean, y - y_mean
    gram = x.T @ x
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    weight = torch.linalg.solve(gram, x.T @ y)
    return weight.to(rows), (y_mean - x_mean @ weight).to(rows)
