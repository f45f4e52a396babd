"""Ranks as intervals: how many runs are surely better, and how many are surely worse. Pure."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtr

from stepbench.stats.multiplicity import holm


def rank_intervals(values: np.ndarray, *, higher_is_better: bool, alpha: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Best and worst rank that the evidence leaves open for each run.

    A run is surely better than another when the paired difference over their common units is significant after Holm's
    correction over all pairs of the table. Then rank_low = 1 + number of runs surely better, and rank_high = number of
    runs - number of runs surely worse. Runs that nothing separates share their interval: a tie is shown as a tie.

    Args:
        values: One row per unit (prompt), one column per run; NaN where a run has no score; shape (units, runs).
        higher_is_better: Direction of the metric.
        alpha: Chance that any pair of the table is wrongly separated.

    Returns:
        rank_low and rank_high, float, shape (runs,); NaN for a run without any score.
    """
    scored = ~np.isnan(values).all(axis=0)
    low, high = np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    kept = values[:, scored]
    difference, p = pairwise_tests(kept)
    if not higher_is_better:
        difference = -difference
    upper = np.triu_indices(kept.shape[1], k=1)
    adjusted = np.ones_like(p)
    adjusted[upper] = holm(p[upper])
    adjusted.T[upper] = adjusted[upper]
    # difference[i, j] is j minus i, so a significant positive entry in row i is a run that beats i.
    sure = adjusted <= alpha
    low[scored] = 1 + (sure & (difference > 0)).sum(axis=1)
    high[scored] = kept.shape[1] - (sure & (difference < 0)).sum(axis=1)
    return low, high


def pairwise_tests(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean paired difference and two-sided p of every pair of columns over their common rows.

    p is that of the paired t test, but never below 2 / 2**n, the least p that flipping the signs of n differences can
    give: two or three prompts that happen to agree prove nothing. NaN where a pair has no common row.

    Args:
        values: NaN where a value is missing; shape (units, runs), every column with at least one value.

    Returns:
        difference[i, j] = mean(column j - column i), and p[i, j]; both of shape (runs, runs).
    """
    present = (~np.isnan(values)).astype(np.float64)
    means = np.nanmean(values, axis=0) if values.size else np.zeros(values.shape[1])
    centred = np.where(present > 0, values - means, 0.0)
    n = present.T @ present
    # Row i, column j: sums over the units common to i and j. Centring first keeps the small differences exact.
    sums = centred.T @ present
    squares = (centred**2).T @ present
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = (sums.T - sums) / n
        spread = squares + squares.T - 2 * centred.T @ centred - n * shift**2
        spread[spread <= 1e-12 * (squares + squares.T)] = 0.0
        difference = shift + means[None, :] - means[:, None]
        difference[np.abs(difference) <= 1e-12 * np.maximum(np.abs(means)[None, :], np.abs(means)[:, None])] = 0.0
        t = difference / np.sqrt(spread / (n * (n - 1)))
        p = np.maximum(2 * stdtr(n - 1, -np.abs(t)), 2.0 ** (1 - n))
    p[(difference == 0) | (n == 1)] = 1.0
    p[n == 0] = np.nan
    return difference, np.minimum(p, 1.0)
