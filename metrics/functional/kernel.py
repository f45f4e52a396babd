"""Kernel distance between two sets of features: unbiased squared maximum mean discrepancy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from metrics.functional.features import check_overflow, check_same_dimensions, checked_features

_ROWS_AT_ONCE = 1024


def kernel_distance(x: Any, y: Any) -> Float64[Tensor, ""]:
    """Unbiased squared MMD with the cubic kernel k(a, b) = (a . b / d + 1)^3, in float64 (Binkowski et al., ICLR 2018).

    All pairs enter, none at random. Its expectation is 0 for equal distributions whatever the number of clips, so small
    negative values are legitimate and are kept.

    Args:
        x: Features (n, d), tensor or array.
        y: Features (m, d).

    Raises:
        FeatureError: Fewer than two rows, unequal dimensions, or values that are not finite; names the first such row.
            Or values so large that the distance overflows.
    """
    a, b = checked_features(x, "x"), checked_features(y, "y")
    check_same_dimensions(a.shape[1], b.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        within = sum((_kernel_sum(rows, rows) - _diagonal_sum(rows)) / (len(rows) * (len(rows) - 1)) for rows in (a, b))
        distance = within - 2 * _kernel_sum(a, b) / (len(a) * len(b))
    check_overflow(distance)
    return torch.tensor(distance, dtype=torch.float64)


def _kernel_sum(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of the kernel over all pairs, in blocks so that memory does not grow with the square of n."""
    blocks = (a[start : start + _ROWS_AT_ONCE] for start in range(0, len(a), _ROWS_AT_ONCE))
    return sum(float(_cubic(block @ b.T, a.shape[1]).sum()) for block in blocks)


def _diagonal_sum(a: np.ndarray) -> float:
    return float(_cubic(np.square(a).sum(axis=1), a.shape[1]).sum())


def _cubic(products: np.ndarray, dimensions: int) -> np.ndarray:
    base = products / dimensions + 1
    return base * base * base
