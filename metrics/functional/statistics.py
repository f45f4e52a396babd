"""Mean and covariance of features, merged over shards without losing digits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from metrics.errors import FeatureError
from metrics.functional.features import check_same_dimensions, float64_array


@dataclass(frozen=True)
class FeatureStatistics:
    """What a set of features is to a Fréchet distance.

    Attributes:
        n: Clips.
        mean: float64 (d,).
        scatter: Sum over clips of the outer product of (feature - mean) with itself, float64 (d, d). Unlike sums of
            squares it keeps its digits where the mean is large and the spread small.
    """

    n: int
    mean: Float64[np.ndarray, " d"]
    scatter: Float64[np.ndarray, "d d"]

    @property
    def covariance(self) -> Float64[np.ndarray, "d d"]:
        """Unbiased covariance, divided by n - 1.

        Raises:
            FeatureError: Fewer than two clips.
        """
        if self.n < 2:
            raise FeatureError(f"a covariance needs at least 2 clips, got {self.n}")
        return self.scatter / (self.n - 1)


def feature_statistics(features: Any) -> FeatureStatistics:
    """Statistics of features (n, d); n may be 0, as in an empty shard.

    Raises:
        FeatureError: Not two axes, or a row with NaN or infinity.
    """
    rows = float64_array(features)
    if rows.ndim != 2:
        raise FeatureError(f"features must have two axes (clips, dimensions), got shape {rows.shape}")
    if not np.isfinite(rows).all():
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        raise FeatureError(f"features must be finite, got NaN or infinity in row {bad[0]}")
    mean = rows.mean(axis=0) if len(rows) else np.zeros(rows.shape[1])
    centred = rows - mean
    return FeatureStatistics(len(rows), mean, centred.T @ centred)


def merge_statistics(shards: Iterable[FeatureStatistics]) -> FeatureStatistics:
    """Statistics of all shards together (Chan, Golub and LeVeque, 1983), in any number and size.

    Raises:
        FeatureError: No shard, or shards of different dimensions.
    """
    total: FeatureStatistics | None = None
    for shard in shards:
        total = shard if total is None else _merged(total, shard)
    if total is None:
        raise FeatureError("there is no shard to merge")
    return total


def _merged(a: FeatureStatistics, b: FeatureStatistics) -> FeatureStatistics:
    check_same_dimensions(len(a.mean), len(b.mean))
    if a.n == 0 or b.n == 0:
        return b if a.n == 0 else a
    n, step = a.n + b.n, b.mean - a.mean
    scatter = a.scatter + b.scatter + np.outer(step, step) * (a.n * b.n / n)
    return FeatureStatistics(n, a.mean + step * (b.n / n), scatter)
