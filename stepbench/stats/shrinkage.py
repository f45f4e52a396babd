"""Shrinkage: category means pulled towards their common mean as far as their noise demands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from stepbench.stats.checks import StatisticsError, finite_vector, fraction

GRID = 400
"""Values of the spread between groups over which the posterior is summed."""


def shrink_means(means: Any, standard_errors: Any, level: float = 0.95) -> pd.DataFrame:
    """Shrink small groups towards the weighted mean of all groups, with intervals.

    A category of eleven prompts is mostly noise; ranking categories by their raw means ranks the noise. The model is
    mean_i ~ N(theta_i, standard_error_i^2) with theta_i ~ N(mu, tau^2), flat in mu and in tau up to three times the
    range of the means and errors; results are averaged over tau, so its uncertainty is in the interval. Source: Gelman
    et al., Bayesian Data Analysis, section 5.4.

    Args:
        means: One mean per group, shape (k,).
        standard_errors: Of the means, shape (k,), not negative.
        level: Coverage of the intervals, between 0 and 1.

    Returns:
        One row per group, in order: mean, shrunk, low, high, weight (1: left alone, 0: replaced by the common mean).
        One group alone is left as it is, and so are groups that all have no noise.

    Raises:
        StatisticsError: For NaN, unequal lengths, a negative standard error or an impossible level.
    """
    means, errors = finite_vector("means", means), finite_vector("standard_errors", standard_errors)
    fraction("level", level)
    if means.size != errors.size:
        raise StatisticsError(f"one standard error per mean, got {errors.size} for {means.size} means")
    if (errors < 0).any():
        raise StatisticsError(f"standard errors are not negative, got {errors.min()}")
    if means.size < 2 or not errors.any():
        weight, shrunk, spread = np.ones_like(means), means, errors
    else:
        weight, shrunk, spread = _posterior(means, np.maximum(errors, 1e-6 * errors.max()))
    margin = float(ndtri((1 + level) / 2)) * spread
    return pd.DataFrame(
        {"mean": means, "shrunk": shrunk, "low": shrunk - margin, "high": shrunk + margin, "weight": weight}
    )


def _posterior(means: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Posterior weight, mean and standard deviation of each group, each of shape (k,)."""
    # Cubed, so that the grid is fine near zero however large the largest error is; its square is the step width.
    steps = ((np.arange(GRID) + 0.5) / GRID)[:, None]
    between = (3 * (np.ptp(means) + errors.max()) * steps**3) ** 2
    precision = 1 / (errors**2 + between)
    total = precision.sum(axis=1, keepdims=True)
    centre = (precision * means).sum(axis=1, keepdims=True) / total
    log_density = 0.5 * (np.log(precision) - precision * (means - centre) ** 2).sum(axis=1) - 0.5 * np.log(total[:, 0])
    density = np.exp(log_density - log_density.max())[:, None] * steps**2
    density /= density.sum()

    weight = between * precision
    conditional = centre + weight * (means - centre)
    variance = weight * errors**2 + (1 - weight) ** 2 / total
    shrunk = (density * conditional).sum(axis=0)
    spread = np.sqrt((density * (variance + (conditional - shrunk) ** 2)).sum(axis=0))
    return (density * weight).sum(axis=0), shrunk, spread
