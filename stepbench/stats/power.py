"""How small an effect can be seen, and how many prompts or votes it takes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammainc, nctdtr, ndtri, stdtrit

from stepbench.stats.checks import StatisticsError, fraction


def detectable_effect(standard_deviation: float, n: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest true mean difference that a two-sided paired t test on `n` prompts finds with the given power.

    Args:
        standard_deviation: Of the per-prompt differences, in the metric's unit.
        n: Number of prompts.
        alpha: False-alarm rate of the test.
        power: Chance of finding the effect.

    Returns:
        The effect in the metric's unit; NaN for n < 2, where no test exists.

    Raises:
        StatisticsError: For a negative or non-finite standard deviation, a negative n, or alpha >= power.
    """
    _check(standard_deviation, alpha, power)
    if n < 0 or n != int(n):
        raise StatisticsError(f"n must be a number of prompts, got {n}")
    if n < 2:
        return float("nan")
    return float(standard_deviation * _standardised_effect(int(n), alpha, power))


def required_n(effect: float, standard_deviation: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Smallest number of prompts with which a two-sided paired t test finds `effect` with the given power.

    Arguments as in `detectable_effect`; the sign of `effect` does not matter.

    Raises:
        StatisticsError: As `detectable_effect`, and for an effect of 0, which no number of prompts can find.
    """
    _check(standard_deviation, alpha, power)
    if effect == 0 or not math.isfinite(effect):
        raise StatisticsError(f"effect must be finite and not 0, got {effect}")
    if standard_deviation == 0:
        return 2
    wanted = abs(effect) / standard_deviation
    return _first_true(lambda n: _standardised_effect(n, alpha, power) <= wanted, start=2)


def detectable_win_rate(n: int, tie_rate: float = 0.0, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest shift of the win rate away from one half that `n` votes on different prompts find, as a fraction.

    A tie counts as half a win, which leaves a variance of (1 - tie_rate) / 4 per vote near a rate of one half; the
    test is the normal one. 128 prompts without ties give 0.124: a win rate of 62.4 %.

    Args:
        n: Number of prompts with one vote each. Several votes on one prompt are not independent.
        tie_rate: Share of ties, in [0, 1).
        alpha: False-alarm rate of the test.
        power: Chance of finding the shift.

    Returns:
        The shift in (0, 0.5], NaN where even a rate of 0 or 1 would be missed.

    Raises:
        StatisticsError: For a tie rate outside [0, 1), a negative n, or alpha >= power.
    """
    scale = _vote_scale(tie_rate, alpha, power)
    if n < 0 or n != int(n):
        raise StatisticsError(f"n must be a number of votes, got {n}")
    shift = scale / math.sqrt(n) if n else math.inf
    return shift if shift <= 0.5 else float("nan")


def required_votes(shift: float, tie_rate: float = 0.0, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Votes on different prompts needed to see a win rate `shift` away from one half; see `detectable_win_rate`.

    Raises:
        StatisticsError: As `detectable_win_rate`, and for a shift of 0 or beyond one half.
    """
    scale = _vote_scale(tie_rate, alpha, power)
    if not 0 < abs(shift) <= 0.5:
        raise StatisticsError(f"shift must lie between 0 and 0.5, got {shift}", hint="write 0.05 for five points")
    return math.ceil((scale / shift) ** 2)


def _standardised_effect(n: int, alpha: float, power: float) -> float:
    freedom = n - 1
    critical = float(stdtrit(freedom, 1 - alpha / 2))

    def shortfall(noncentrality: float) -> float:
        if noncentrality > 1e4:  # nctdtr fails here; the noise of the mean is nothing beside that of the deviation
            return float(gammainc(freedom / 2, freedom * (noncentrality / critical) ** 2 / 2)) - power
        right_tail = 1 - nctdtr(freedom, noncentrality, critical)
        left_tail = nctdtr(freedom, noncentrality, -critical)  # turns NaN where it holds less than 1e-9
        return float(right_tail + (0.0 if np.isnan(left_tail) else left_tail)) - power

    upper = 2 * (critical + float(ndtri(power)) + 1)
    while shortfall(upper) < 0:
        upper *= 2
    noncentrality = brentq(shortfall, 0.0, upper, xtol=1e-10)
    return float(noncentrality) / math.sqrt(n)  # pyright: ignore[reportArgumentType] - scipy types brentq too widely


def _first_true(reached: Callable[[int], bool], start: int) -> int:
    """Smallest integer from `start` on for which a condition that stays true once met is true."""
    if reached(start):
        return start
    low, high = start, 2 * start
    while not reached(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _vote_scale(tie_rate: float, alpha: float, power: float) -> float:
    if not 0 <= tie_rate < 1:
        raise StatisticsError(f"tie_rate must lie in [0, 1), got {tie_rate}")
    _check(0.0, alpha, power)
    return float(ndtri(1 - alpha / 2) + ndtri(power)) * math.sqrt((1 - tie_rate) / 4)


def _check(standard_deviation: float, alpha: float, power: float) -> None:
    if not (standard_deviation >= 0 and math.isfinite(standard_deviation)):
        raise StatisticsError(f"standard_deviation must be finite and not negative, got {standard_deviation}")
    if fraction("alpha", alpha) >= fraction("power", power):
        raise StatisticsError(f"power must exceed alpha, got power {power} with alpha {alpha}")
