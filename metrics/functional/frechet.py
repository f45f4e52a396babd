"""Fréchet distance between two sets of features, each taken as a Gaussian.

FD = |mu_1 - mu_2|^2 + tr(S_1) + tr(S_2) - 2 tr((S_1 S_2)^1/2)    (Dowson and Landau, 1982; FID: Heusel et al., 2017)

With any factors S_i = F_i^T F_i, the last trace is the sum of the singular values of F_1 F_2^T. No product of
covariances is formed and no matrix square root taken, so singular covariances (fewer clips than dimensions) cost no
accuracy: tr((S S)^1/2) = tr(S) to rounding, and a set is at distance 0 from itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from metrics.errors import FeatureError, MetricError
from metrics.functional.features import check_overflow, check_same_dimensions, checked_features, float64_array


def frechet_distance(x: Any, y: Any, *, ddof: int = 1) -> Float64[Tensor, ""]:
    """Fréchet distance between two sets of features, with unbiased covariances (n - 1), in float64.

    The estimate is biased upwards, the more so the fewer clips there are per dimension: compare values at equal n only.

    Args:
        x: Features (n, d), tensor or array.
        y: Features (m, d).
        ddof: Covariances are divided by n - ddof: 1, or 0 as in some published values of FVD.

    Raises:
        FeatureError: Fewer than two rows, unequal dimensions, or values that are not finite; names the first such row.
            Or values so large that the distance overflows.
        MetricError: `ddof` is neither 0 nor 1.
    """
    check_ddof(ddof)
    features = checked_features(x, "x"), checked_features(y, "y")
    check_same_dimensions(features[0].shape[1], features[1].shape[1])
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        means = [rows.mean(axis=0) for rows in features]
        factors = [_factor_of_features(rows - mean, ddof) for rows, mean in zip(features, means, strict=True)]
    return _distance(means, factors)


def frechet_distance_from_statistics(mu_1: Any, sigma_1: Any, mu_2: Any, sigma_2: Any) -> Float64[Tensor, ""]:
    """Fréchet distance between two Gaussians given by mean (d,) and covariance (d, d), in float64.

    For published reference statistics. Where features are at hand, `frechet_distance` is faster and more accurate.

    Raises:
        FeatureError: Wrong shapes, values that are not finite, or a covariance that is not symmetric and positive
            semi-definite.
    """
    means, factors = [], []
    for index, (mean, covariance) in enumerate(((mu_1, sigma_1), (mu_2, sigma_2)), start=1):
        means.append(float64_array(mean))
        factors.append(_factor_of_covariance(means[-1], float64_array(covariance), index))
    check_same_dimensions(len(means[0]), len(means[1]))
    return _distance(means, factors)


def check_ddof(ddof: int) -> None:
    """Refuse any divisor but n - 1 and n.

    Raises:
        MetricError: Naming the value.
    """
    if ddof not in (0, 1) or isinstance(ddof, bool):
        raise MetricError(f"ddof must be 1 (covariances with n - 1) or 0 (with n), got {ddof!r}")


def _distance(means: list[np.ndarray], factors: list[np.ndarray]) -> Float64[Tensor, ""]:
    with np.errstate(over="ignore", invalid="ignore"):
        apart = float(np.square(means[0] - means[1]).sum()) + sum(float(np.square(factor).sum()) for factor in factors)
    check_overflow(apart)
    distance = apart - 2 * float(np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum())
    # The distance is never negative; rounding can leave -1e-14 of the traces between equal sets.
    return torch.tensor(max(distance, 0.0), dtype=torch.float64)


def _factor_of_features(centred: Float64[np.ndarray, "n d"], ddof: int) -> Float64[np.ndarray, "k d"]:
    """F with F^T F = covariance: the centred rows themselves, or their triangular factor where that is smaller."""
    clips, dimensions = centred.shape
    rows = centred if clips <= dimensions else np.linalg.qr(centred, mode="r")
    return rows / np.sqrt(clips - ddof)


def _factor_of_covariance(mean: np.ndarray, covariance: np.ndarray, index: int) -> Float64[np.ndarray, "k d"]:
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise FeatureError(
            f"mu_{index} must have shape (d,) and sigma_{index} (d, d), got {mean.shape} and {covariance.shape}"
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise FeatureError(f"mu_{index} and sigma_{index} must be finite, got NaN or infinity")
    scale = float(np.abs(covariance).max(initial=0.0))
    if not np.allclose(covariance, covariance.T, rtol=0, atol=1e-6 * scale):
        raise FeatureError(f"sigma_{index} must be symmetric, and is not")
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    if values[0] < -1e-6 * scale:
        raise FeatureError(f"sigma_{index} must be positive semi-definite, got an eigenvalue of {values[0]:.3g}")
    # Eigenvalues below rounding are noise around 0; their square roots would not be small.
    kept = values > len(values) * np.finfo(np.float64).eps * max(float(values[-1]), 0.0)
    return (vectors[:, kept] * np.sqrt(values[kept])).T
