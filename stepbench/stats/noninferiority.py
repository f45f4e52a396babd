"""Non-inferiority: has more been lost than a margin allows, and how many prompts it takes to know.

A loss is a difference counted in the bad direction: positive means worse. A margin is the largest accepted loss.
"""

from __future__ import annotations

import math

from scipy.special import ndtri, stdtr, stdtrit

from stepbench.stats.checks import StatisticsError, fraction
from stepbench.stats.power import detectable_effect

MANY = 100_000
"""Prompts beyond which the t distribution is the normal one to all digits that matter here."""

NEVER = 1e12
"""Prompts beyond which the answer is that no number settles it."""


def regression_p(loss: float, standard_error: float, n: int, margin: float) -> float:
    """How surprising a loss this far beyond the margin is when the true loss is the margin; small: a regression.

    Twice the upper tail of the t distribution, at most 1. So p <= alpha says the same as: the two-sided interval at
    level 1 - alpha lies wholly beyond the margin. A true loss inside the margin is called a regression with a
    probability of at most alpha / 2.

    Args:
        loss: Mean loss over prompts, in the metric's unit.
        standard_error: Of the mean loss.
        n: Number of prompts.
        margin: Largest loss that is accepted.

    Returns:
        A value in [0, 1], NaN for n < 2, where no test exists.

    Raises:
        StatisticsError: For a negative margin or a negative n.
    """
    _check(margin, n)
    if n < 2:
        return float("nan")
    if standard_error == 0:
        return 0.0 if loss > margin else 1.0
    return min(1.0, 2 * float(stdtr(n - 1, (margin - loss) / standard_error)))


def loss_interval(loss: float, standard_error: float, n: int, level: float) -> tuple[float, float]:
    """The t interval of a mean loss over `n` prompts; NaN for n < 2. Raises `StatisticsError` for a bad level."""
    fraction("level", level)
    if n < 2:
        return float("nan"), float("nan")
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * standard_error
    return loss - reach, loss + reach


def prompts_to_settle(
    loss: float, standard_deviation: float, margin: float, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Prompts after which the interval leaves the margin, if the true loss is `loss`, with the given power.

    Returns:
        A whole number, at least 2; infinity where the loss lies on the margin, or so near that it takes more than
        `NEVER` prompts.

    Raises:
        StatisticsError: As `detectable_effect`.
    """
    distance = abs(loss - margin)
    if standard_deviation == 0 and distance > 0:
        return 2
    if distance == 0:
        return math.inf
    # The normal test needs a little less than the t test, so the answer lies a few steps up from here.
    root = (float(ndtri(1 - alpha / 2)) + float(ndtri(power))) * standard_deviation / distance
    if root > NEVER**0.5:
        return math.inf
    n = max(2, math.ceil(root**2))
    if n > MANY:
        return n
    while detectable_effect(standard_deviation, n, alpha=alpha, power=power) > distance:
        n += 1
    return n


def gate_prompts(
    margin: float,
    standard_deviation: float,
    *,
    metrics: int = 1,
    drop: float = 1.5,
    alpha: float = 0.05,
    power: float = 0.95,
) -> float:
    """The recommended number of prompts of a gate: enough to pass what is unchanged and to catch a real drop.

    The larger of two numbers. With the first, an unchanged candidate passes in all of `metrics` metrics with the given
    power (each metric is given power 1 - (1 - power) / metrics). With the second, a drop of `drop` margins in one
    metric is called a regression with the given power, at the first and strictest step of Holm's correction, alpha /
    metrics.

    Args:
        margin: Largest accepted loss, in the metric's unit, above 0.
        standard_deviation: Of the per-prompt differences between candidate and baseline.
        metrics: Metrics in the gate.
        drop: True loss that must be found, in margins, above 1.
        alpha: 1 - the coverage of the intervals.
        power: Chance of both.

    Raises:
        StatisticsError: For a margin, a drop or a number of metrics out of range, and as `detectable_effect`.
    """
    if not margin > 0:
        raise StatisticsError(f"a margin must be above 0 to plan for, got {margin}", hint="no n proves a loss of 0")
    if not drop > 1:
        raise StatisticsError(f"a drop is counted in margins and must exceed 1, got {drop}", hint="for example 1.5")
    if metrics < 1:
        raise StatisticsError(f"a gate has at least one metric, got {metrics}")
    fraction("power", power)
    to_pass = prompts_to_settle(0.0, standard_deviation, margin, alpha=alpha, power=1 - (1 - power) / metrics)
    to_catch = prompts_to_settle(drop * margin, standard_deviation, margin, alpha=alpha / metrics, power=power)
    return max(to_pass, to_catch)


def _check(margin: float, n: int) -> None:
    if not margin >= 0 or not math.isfinite(margin):
        raise StatisticsError(f"margin must be finite and not negative, got {margin}")
    if n < 0:
        raise StatisticsError(f"n must be a number of prompts, got {n}")
