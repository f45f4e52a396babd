"""Prompts and votes that an effect takes, and the effect that can be seen: behind `stepbench power`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stepbench.errors import UsageError
from stepbench.gate.policy import Policy
from stepbench.spread import Spread
from stepbench.stats.checks import StatisticsError
from stepbench.stats.noninferiority import gate_prompts
from stepbench.stats.power import detectable_effect, detectable_win_rate, required_n, required_votes

TABLE_VOTES = (50, 128, 200, 400, 800, 946, 1600, 3200)
TABLE_TIES = (0.0, 0.2, 0.4)
TABLE_SHIFTS = (0.1, 0.05, 0.03, 0.02)
"""Sizes, tie rates and effects of the printed tables."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a spread means for one metric.

    Attributes:
        spread: What it was computed from.
        detectable: Difference found with the prompts that there are; NaN with fewer than two.
        effect: The difference that was asked for, or None.
        prompts_for_effect: Prompts that find it; None where none was asked for.
        margin: Margin of the gate, or None.
        prompts_for_gate: Recommended prompts for that margin, see `stats.gate_prompts`; None without one.
        hours: Time to make the clips of one run of the larger number, or None where no seconds per clip are known.
    """

    spread: Spread
    detectable: float
    effect: float | None
    prompts_for_effect: int | None
    margin: float | None
    prompts_for_gate: float | None
    hours: float | None


def sizes(
    spread: Spread,
    *,
    effect: float | None = None,
    margin: float | None = None,
    metrics_in_gate: int = 1,
    drop: float = 1.5,
    alpha: float = 0.05,
    power: float = 0.8,
    gate_power: float = 0.95,
    seconds: float | None = None,
) -> Sizes:
    """What can be seen with the prompts that there are, and how many an effect or a gate's margin takes.

    Args:
        spread: Of the per-prompt differences.
        effect: Difference to be found by `compare`, in the metric's unit.
        margin: Margin of a gate, in the metric's unit.
        metrics_in_gate: Metrics in that gate.
        drop: Loss that the gate must call a regression, in margins.
        alpha: False-alarm rate, two-sided.
        power: Chance of finding the effect.
        gate_power: Chance that the gate passes an unchanged candidate, and that it catches the drop.
        seconds: Per clip.

    Raises:
        StatisticsError: For a value out of range.
    """
    known = not math.isnan(spread.deviation)
    for_effect = for_gate = None
    if effect is not None and known:
        for_effect = required_n(effect, spread.deviation, alpha=alpha, power=power)
    if margin is not None and known:
        for_gate = gate_prompts(
            margin, spread.deviation, metrics=metrics_in_gate, drop=drop, alpha=alpha, power=gate_power
        )
    wanted = max((number for number in (for_effect, for_gate) if number is not None), default=spread.n)
    return Sizes(
        spread=spread,
        detectable=detectable_effect(spread.deviation, spread.n, alpha=alpha, power=power) if known else math.nan,
        effect=effect,
        prompts_for_effect=for_effect,
        margin=margin,
        prompts_for_gate=for_gate,
        hours=wanted * spread.clips * seconds / 3600 if seconds is not None and wanted else None,
    )


def margin_of(policy: Policy, spread: Spread) -> float | None:
    """The policy's margin for a metric in its unit, or None where it says nothing about it.

    Raises:
        UsageError: For a margin of 0, for which no number of prompts suffices.
    """
    demands = policy.metrics.get(spread.metric)
    if demands is None:
        return None
    margin = demands.margin_for(spread.mean)
    if not margin > 0:
        raise UsageError(
            f"the margin of {spread.metric} is {margin:g}: no number of prompts proves that nothing is lost",
            hint="give a margin above 0",
        )
    return margin


def win_rate_table(
    ties: Sequence[float] = TABLE_TIES, *, prompts: Sequence[int] = TABLE_VOTES, alpha: float = 0.05, power: float = 0.8
) -> list[dict[str, float]]:
    """What a number of prompts with one vote each can show: records of `prompts`, `ties` and `points`.

    `points` is the smallest shift of the win rate away from 50 %, in percentage points; NaN where even 0 or 100 % would
    be missed.
    """
    return [
        {"prompts": n, "ties": tie, "points": 100 * detectable_win_rate(n, tie, alpha=alpha, power=power)}
        for n in prompts
        for tie in ties
    ]


def votes_table(
    ties: Sequence[float] = TABLE_TIES,
    *,
    shifts: Sequence[float] = TABLE_SHIFTS,
    per_prompt: int = 1,
    icc: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> list[dict[str, float]]:
    """What a shift of the win rate takes: records of `points`, `ties`, `votes` and `prompts`.

    Several votes on one prompt agree with one another, which costs votes; see `votes_with_repeats`.
    """
    records = []
    for shift in shifts:
        for tie in ties:
            votes = votes_with_repeats(required_votes(shift, tie, alpha=alpha, power=power), per_prompt, icc)
            records.append({"points": 100 * shift, "ties": tie, "votes": votes, "prompts": votes // per_prompt})
    return records


def votes_with_repeats(votes: int, per_prompt: int, icc: float) -> int:
    """Votes needed when each prompt gets several, which agree with one another: votes x (1 + (per_prompt - 1) icc).

    Args:
        votes: Needed on different prompts.
        per_prompt: Votes on each prompt.
        icc: Share of the variance of votes that lies between prompts, in [0, 1].

    Raises:
        StatisticsError: For a value out of range.
    """
    if per_prompt < 1:
        raise StatisticsError(f"votes per prompt must be at least 1, got {per_prompt}")
    if not 0 <= icc <= 1:
        raise StatisticsError(f"icc must lie in [0, 1], got {icc}")
    needed = votes * (1 + (per_prompt - 1) * icc)
    return per_prompt * math.ceil(needed / per_prompt - 1e-9)
