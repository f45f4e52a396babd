"""Intervals for means, with the prompt as the unit of inference: seeds of one prompt are averaged first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from stepbench.stats.checks import StatisticsError, cluster_codes, finite_vector, fraction


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with how sure it is.

    Attributes:
        estimate: NaN when there is no value at all.
        low: Lower end of the interval, NaN where no interval can be given.
        high: Upper end, likewise.
        n: Number of values.
        n_clusters: Number of independent units behind them (prompts); equals `n` without clusters.
        standard_error: NaN where no interval can be given.
        method: How the interval was made, or why there is none.
    """

    estimate: float
    low: float
    high: float
    n: int
    n_clusters: int
    standard_error: float
    method: str


def mean_interval(values: Any, clusters: Any = None, level: float = 0.95) -> Estimate:
    """Mean over clusters with a t interval on (clusters - 1) degrees of freedom.

    The estimate is the mean of the cluster means: a prompt with eight seeds counts as much as a prompt with one.
    Without values everything is NaN; with one cluster the estimate stands alone, with NaN bounds.

    Args:
        values: Finite numbers, shape (n,).
        clusters: One label per value, such as the prompt id; None when the values are independent.
        level: Coverage of the interval, between 0 and 1.

    Raises:
        StatisticsError: For NaN, a wrong shape, a missing label or an impossible level.
    """
    fraction("level", level)
    means, n = cluster_means(values, clusters)
    if means.size < 2:
        return _no_interval(means, n)
    estimate = float(means.mean())
    standard_error = float(means.std(ddof=1) / np.sqrt(means.size))
    margin = float(stdtrit(means.size - 1, (1 + level) / 2)) * standard_error
    return Estimate(
        estimate=estimate,
        low=estimate - margin,
        high=estimate + margin,
        n=n,
        n_clusters=means.size,
        standard_error=standard_error,
        method="t interval over cluster means" if clusters is not None else "t interval",
    )


def bootstrap_interval(
    values: Any,
    *,
    rng: np.random.Generator,
    statistic: Callable[..., Any] = np.mean,
    clusters: Any = None,
    level: float = 0.95,
    draws: int = 2000,
    method: Literal["bca", "percentile"] = "bca",
) -> Estimate:
    """Interval of any statistic of the cluster means, by resampling clusters.

    For statistics without a t interval, such as a median or a trimmed mean. BCa corrects for bias and skew (Efron
    1987); where its acceleration is undefined the percentile interval is returned and `method` says so.

    Args:
        values: Finite numbers, shape (n,).
        rng: Source of the resamples.
        statistic: Called as `statistic(array, axis=-1)` on cluster means; `np.mean`, `np.median` and the like.
        clusters: As in `mean_interval`.
        level: Coverage of the interval, between 0 and 1.
        draws: Number of resamples.
        method: `bca` or `percentile`.

    Raises:
        StatisticsError: As `mean_interval`, and for an unknown method or fewer than one draw.
    """
    fraction("level", level)
    if method not in ("bca", "percentile"):
        raise StatisticsError(f"method must be 'bca' or 'percentile', got {method!r}")
    if draws < 1:
        raise StatisticsError(f"draws must be at least 1, got {draws}")
    means, n = cluster_means(values, clusters)
    if means.size < 2:
        return _no_interval(means, n)
    estimate = float(statistic(means, axis=-1))
    resampled = np.concatenate(
        [
            np.atleast_1d(statistic(means[rng.integers(means.size, size=(size, means.size))], axis=-1))
            for size in _chunks(draws, means.size)
        ]
    )
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    named = f"{method} bootstrap over {means.size} clusters, {draws} draws"
    if method == "bca":
        leave_one_out = np.array([statistic(np.delete(means, index), axis=-1) for index in range(means.size)])
        corrected = _bca_tails(tails, resampled, leave_one_out, estimate)
        named = named if corrected is not None else f"percentile (BCa undefined) {named.removeprefix('bca ')}"
        tails = tails if corrected is None else corrected
    low, high = np.quantile(resampled, tails)
    return Estimate(
        estimate=estimate,
        low=float(low),
        high=float(high),
        n=n,
        n_clusters=means.size,
        standard_error=float(resampled.std(ddof=1)) if draws > 1 else np.nan,
        method=named,
    )


def intraclass_correlation(values: Any, clusters: Any) -> float:
    """Share of the variance that lies between clusters: ICC(1) from one-way analysis of variance.

    Near 1, more seeds per prompt buy nothing; near 0, they help as much as more prompts. May be slightly negative.
    NaN with fewer than two clusters, without a repeated cluster, or without any variance. Source: Donner (1986).
    """
    array = finite_vector("values", values)
    codes, k = cluster_codes("clusters", clusters, array.size)
    if k < 2 or array.size == k:
        return float("nan")
    sizes = np.bincount(codes, minlength=k)
    means = np.bincount(codes, weights=array, minlength=k) / sizes
    between = float(np.sum(sizes * (means - array.mean()) ** 2) / (k - 1))
    within = float(np.sum((array - means[codes]) ** 2) / (array.size - k))
    typical_size = (array.size - np.sum(sizes**2) / array.size) / (k - 1)
    total = between + (typical_size - 1) * within
    return float((between - within) / total) if total > 0 else float("nan")


def cluster_means(values: Any, clusters: Any) -> tuple[np.ndarray, int]:
    """Mean of each cluster in order of first appearance, shape (k,), and the number of values; refuses bad input."""
    array = finite_vector("values", values)
    if clusters is None:
        return array, array.size
    codes, k = cluster_codes("clusters", clusters, array.size)
    return np.bincount(codes, weights=array, minlength=k) / np.maximum(np.bincount(codes, minlength=k), 1), array.size


def _no_interval(means: np.ndarray, n: int) -> Estimate:
    nan = float("nan")
    return Estimate(
        estimate=float(means[0]) if means.size else nan,
        low=nan,
        high=nan,
        n=n,
        n_clusters=means.size,
        standard_error=nan,
        method="no interval: one cluster" if means.size else "no values",
    )


def _chunks(draws: int, n: int) -> list[int]:
    # Bounds the index array to about four million entries, whatever the number of prompts.
    size = max(1, 4_000_000 // n)
    return [min(size, draws - start) for start in range(0, draws, size)]


def _bca_tails(
    tails: np.ndarray, resampled: np.ndarray, leave_one_out: np.ndarray, estimate: float
) -> np.ndarray | None:
    """The quantiles that BCa reads instead of `tails`, or None where the correction is undefined."""
    # Equal on paper, unequal by rounding: without the slack such resamples would fall to one side by the unit's whim.
    slack = 1e-12 * np.abs(resampled).max()
    below = (np.mean(resampled < estimate - slack) + np.mean(resampled <= estimate + slack)) / 2
    deviations = leave_one_out.mean() - leave_one_out
    spread = np.sum(deviations**2) ** 1.5
    if spread == 0 or below in (0, 1):
        return None
    acceleration = np.sum(deviations**3) / (6 * spread)
    bias = ndtri(below)
    shifted = bias + ndtri(tails)
    return ndtr(bias + shifted / (1 - acceleration * shifted))
