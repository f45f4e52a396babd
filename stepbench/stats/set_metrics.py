"""Comparison by metrics of whole sets of clips, such as Frechet distances, from cached features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stepbench.stats.checks import StatisticsError, cluster_codes, fraction


@dataclass(frozen=True, kw_only=True)
class SetDifference:
    """How much higher the statistic of `b` is than that of `a`. Signs are always **b minus a**.

    Attributes:
        estimate: value_b - value_a.
        low: Lower end of the paired bootstrap interval; NaN with fewer than two prompts.
        high: Upper end, likewise.
        p: Two-sided paired permutation p; NaN when no permutations were asked for.
        n: Clips on each side. Most set statistics are biased in it: compare only at equal n.
        n_clusters: Prompts.
        value_a: The statistic of a.
        value_b: The statistic of b.
        standard_error: Standard deviation of the difference over the resamples.
        bootstrap_bias: Mean of the resampled differences minus the estimate; taken out of the interval.
    """

    estimate: float
    low: float
    high: float
    p: float
    n: int
    n_clusters: int
    value_a: float
    value_b: float
    standard_error: float
    bootstrap_bias: float


def set_metric_difference(
    features_a: Any,
    features_b: Any,
    reference: Any,
    statistic: Callable[[np.ndarray, Any], float],
    *,
    rng: np.random.Generator,
    clusters: Any = None,
    draws: int = 1000,
    permutations: int = 1000,
    level: float = 0.95,
) -> SetDifference:
    """Paired difference of a set statistic between two models, prompts resampled for both sides alike.

    The interval resamples prompts, the same ones for a and b; repeated rows bias most set statistics upwards, on both
    sides alike, and what is left of that bias is subtracted. p swaps a and b within randomly chosen prompts, which
    changes nothing when the models are equal. The reference stays fixed. The statistic runs 2 x (draws + permutations
    + 1) times.

    Args:
        features_a: One row per clip, shape (n, d).
        features_b: The same prompts and seeds in the same order, shape (n, d).
        reference: Passed on to the statistic as it is.
        statistic: Called as `statistic(features, reference)`, returns a finite number.
        rng: Source of resamples and swaps.
        clusters: Prompt of each row, shape (n,); None when each row is a prompt of its own.
        draws: Resamples for the interval.
        permutations: Random swaps for p; 0 for none.
        level: Coverage of the interval, between 0 and 1.

    Raises:
        StatisticsError: For unequal or empty sets, a statistic that is not finite, or an impossible level or count.
    """
    fraction("level", level)
    a, b = np.asarray(features_a), np.asarray(features_b)
    if a.shape != b.shape or a.ndim != 2 or not len(a):
        raise StatisticsError(
            f"features must be two arrays of one shape (clips, features), got {a.shape} and {b.shape}",
            hint="set metrics are compared at equal n only: keep the clips that both sides have",
        )
    if draws < 2 or permutations < 0:
        raise StatisticsError(f"draws must be at least 2 and permutations 0, got {draws} and {permutations}")
    codes, k = cluster_codes("clusters", np.arange(len(a)) if clusters is None else clusters, len(a))
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes, minlength=k))[:-1])

    def value(features: np.ndarray) -> float:
        result = float(statistic(features, reference))
        if not np.isfinite(result):
            raise StatisticsError(f"the statistic gave {result} on a resample of {len(features)} clips")
        return result

    value_a, value_b = value(a), value(b)
    estimate = value_b - value_a
    low = high = standard_error = bias = float("nan")
    if k > 1:
        resamples = [np.concatenate([members[c] for c in rng.integers(k, size=k)]) for _ in range(draws)]
        resampled = np.array([value(b[rows]) - value(a[rows]) for rows in resamples])
        low, high = estimate + np.quantile(resampled - resampled.mean(), [(1 - level) / 2, (1 + level) / 2])
        standard_error, bias = float(resampled.std(ddof=1)), float(resampled.mean() - estimate)
    extreme = 0
    for _ in range(permutations):
        swap = rng.integers(0, 2, size=k).astype(bool)[codes, None]
        difference = value(np.where(swap, a, b)) - value(np.where(swap, b, a))
        extreme += abs(difference) >= abs(estimate) * (1 - 1e-9)
    return SetDifference(
        estimate=estimate,
        low=float(low),
        high=float(high),
        p=(1 + extreme) / (1 + permutations) if permutations else float("nan"),
        n=len(a),
        n_clusters=k,
        value_a=value_a,
        value_b=value_b,
        standard_error=standard_error,
        bootstrap_bias=bias,
    )
