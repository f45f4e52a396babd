"""Two series of values compared prompt by prompt: difference, interval, permutation p, wins and ties."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import bdtr

from stepbench.stats.checks import StatisticsError, finite_vector, fraction
from stepbench.stats.intervals import bootstrap_interval, cluster_means, mean_interval
from stepbench.stats.power import detectable_effect

EXACT_UP_TO = 16
"""Non-zero differences up to which all sign flips are enumerated (2**16 of them)."""

RELATIVE_TIE = 1e-12
"""Differences this small beside the values are rounding, and count as ties."""


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """How much higher `b` is than `a`. Signs are always **b minus a**.

    Attributes:
        estimate: mean(b) - mean(a); NaN when n is 0.
        low: Lower end of the interval over prompts; NaN when n < 2.
        high: Upper end, likewise.
        p: Two-sided sign-flip permutation p; NaN when n is 0.
        n: Number of prompts.
        standard_error: Of the estimate; NaN when n < 2.
        effect_size: Cohen's dz, the estimate over the standard deviation of the differences; NaN where that is 0.
        wins: Prompts on which b is higher.
        ties: Prompts on which both are equal.
        losses: Prompts on which b is lower.
        detectable_effect: True difference that this many prompts with this spread would have found with 80 % power.
        method: How interval and p were made.
    """

    estimate: float
    low: float
    high: float
    p: float
    n: int
    standard_error: float
    effect_size: float
    wins: int
    ties: int
    losses: int
    detectable_effect: float
    method: str


def paired_difference(
    a: Any,
    b: Any,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    draws: int = 9999,
    clusters: Any = None,
    interval: Literal["t", "bca"] = "t",
) -> PairedDifference:
    """Compare two series prompt by prompt. The estimate is **mean(b) - mean(a)**: positive means that b is higher.

    p is the share of sign flips of the differences whose sum is at least as far from zero as the one observed: exact up
    to `EXACT_UP_TO` non-zero differences, else from `draws` random flips with the observed one counted in, so that it
    is never 0. Without prompts everything is NaN; with one prompt p is 1 and there is no interval; when all
    differences are zero p is 1 and the interval is [0, 0].

    Args:
        a: One finite value per prompt, shape (n,); one per prompt and seed with `clusters`.
        b: The same prompts in the same order, shape (n,).
        rng: Source of the random flips, and of the resamples of a bootstrap.
        level: Coverage of the interval; 1 - level is also the alpha of the detectable effect.
        draws: Number of random flips beyond exact enumeration, and of resamples.
        clusters: Prompt of each value: its seeds are averaged first, and `n` counts prompts. None when each value is a
            prompt.
        interval: `t`, or `bca` for a bootstrap of the mean difference that follows its skew.

    Raises:
        StatisticsError: For NaN, unequal lengths, a missing label, an unknown interval, an impossible level or fewer
            than one draw.
    """
    a, b = finite_vector("a", a), finite_vector("b", b)
    if a.size != b.size:
        raise StatisticsError(
            f"a and b must hold one value per prompt in the same order, got {a.size} and {b.size} values",
            hint="pair by prompt first and drop prompts that only one side has",
        )
    fraction("level", level)
    if draws < 1:
        raise StatisticsError(f"draws must be at least 1, got {draws}")
    if interval not in ("t", "bca"):
        raise StatisticsError(f"interval must be 't' or 'bca', got {interval!r}")
    a, b = cluster_means(a, clusters)[0], cluster_means(b, clusters)[0]
    differences = b - a
    differences[np.abs(differences) <= RELATIVE_TIE * np.maximum(np.abs(a), np.abs(b))] = 0.0
    p, how = _sign_flip_p(differences, rng, draws)
    found = mean_interval(differences, level=level)
    deviation = found.standard_error * math.sqrt(a.size)
    if interval == "bca":
        found = bootstrap_interval(differences, rng=rng, level=level, draws=draws)
    return PairedDifference(
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        p=p,
        n=a.size,
        standard_error=found.standard_error,
        effect_size=found.estimate / deviation if deviation > 0 else float("nan"),
        wins=int(np.sum(differences > 0)),
        ties=int(np.sum(differences == 0)),
        losses=int(np.sum(differences < 0)),
        detectable_effect=detectable_effect(deviation, a.size, alpha=1 - level) if a.size > 1 else float("nan"),
        method=f"{found.method} over prompts; {how}" if a.size else "no prompts",
    )


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact p of `wins` against `losses` when both are equally likely; ties are left out before.

    1 when there is nothing to count. Raises `StatisticsError` for a negative count.
    """
    if wins < 0 or losses < 0:
        raise StatisticsError(f"wins and losses must be counts, got {wins} and {losses}")
    return min(1.0, 2 * float(bdtr(min(wins, losses), wins + losses, 0.5)))


def _sign_flip_p(differences: np.ndarray, rng: np.random.Generator, draws: int) -> tuple[float, str]:
    if differences.size == 0:
        return float("nan"), "no p"
    nonzero = np.abs(differences[differences != 0])  # a zero stays zero under any flip
    # Sums that are equal on paper differ by rounding; without the slack the exact p would miss half of its ties.
    threshold = abs(differences.sum()) - 1e-9 * nonzero.sum()
    if nonzero.size <= EXACT_UP_TO:
        flips = np.arange(2**nonzero.size)[:, None] >> np.arange(nonzero.size) & 1
        return float(np.mean(np.abs((1 - 2 * flips) @ nonzero) >= threshold)), "exact sign-flip permutation"
    extreme = 0
    chunk = max(1, 500_000 // nonzero.size)
    for start in range(0, draws, chunk):
        flips = rng.integers(0, 2, size=(min(chunk, draws - start), nonzero.size), dtype=np.int8)
        extreme += int(np.sum(np.abs(nonzero.sum() - 2 * (flips.astype(np.float64) @ nonzero)) >= threshold))
    return (1 + extreme) / (1 + draws), f"sign-flip permutation, {draws} draws"
