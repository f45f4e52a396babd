"""How the metrics of a run go together, so that a weighted mean of them can have an interval for any weights. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd


def mean_covariance(values: pd.DataFrame, metric_ids: Sequence[str]) -> np.ndarray:
    """Covariance of the means of metrics over the same units.

    Args:
        values: Columns unit, metric_id and value: the scores of one run.
        metric_ids: Order of rows and columns.

    Returns:
        Shape (metrics, metrics): the covariance over the units that both metrics have, divided by their number; NaN
        where fewer than two are common. With equal units everywhere this is the exact covariance of the means.
    """
    wide = values.groupby(["unit", "metric_id"]).value.mean().unstack("metric_id").reindex(columns=list(metric_ids))
    present = wide.notna().to_numpy(dtype=float)
    n = present.T @ present
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 1, wide.cov(min_periods=2).to_numpy() / n, np.nan)


def packed(matrix: np.ndarray) -> list[float]:
    """The upper triangle of a symmetric matrix, row by row."""
    return matrix[np.triu_indices(len(matrix))].tolist()


def unpacked(rows: np.ndarray, size: int) -> np.ndarray:
    """Matrices from their upper triangles; shape (..., size * (size + 1) / 2) to (..., size, size)."""
    matrices = np.empty((*rows.shape[:-1], size, size))
    for column, (i, j) in enumerate(combinations_with_replacement(range(size), 2)):
        matrices[..., i, j] = matrices[..., j, i] = rows[..., column]
    return matrices
