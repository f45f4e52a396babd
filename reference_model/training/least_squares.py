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
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))
    values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
    return vectors.to(rows), mean.to(rows), values.clamp(min=1e-12).sqrt().to(rows)


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
