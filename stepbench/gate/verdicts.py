"""The rule of the gate, as pure arithmetic: pass, regression, inconclusive or incomplete for every metric.

Pass and regression err in different ways. The gate passes only when every metric passes, so each pass may be tested at
full alpha (an intersection-union test): the chance that the gate passes although one metric has lost its margin is at
most alpha / 2. One regression is enough to fail, so regressions are corrected with Holm over all tests of the gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit

from stepbench.stats.multiplicity import holm
from stepbench.stats.noninferiority import loss_interval, prompts_to_settle, regression_p

Verdict = Literal["pass", "inconclusive", "incomplete", "regression"]
WORST_FIRST: tuple[Verdict, ...] = ("regression", "incomplete", "inconclusive", "pass")
"""A loss that is proven stays one whatever is missing; what is missing is no matter of more prompts."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known about the loss in one metric. A loss is positive when the candidate is worse.

    Attributes:
        n: Prompts behind it.
        loss: Mean loss, in the metric's unit; NaN when n is 0.
        low: Lower end of its interval at level 1 - alpha; NaN when n < 2.
        high: Upper end, likewise.
        standard_error: Of the loss; NaN when n < 2.
        margin: Largest accepted loss; NaN when there is no baseline to take a relative one from.
        min_n: Prompts below which nothing is decided.
        covered: Whether enough of the planned samples are scored, on both sides.
        limits_hold: Whether the candidate's mean keeps to floor and ceiling.
    """

    n: int
    loss: float
    low: float
    high: float
    standard_error: float
    margin: float
    min_n: int = 2
    covered: bool = True
    limits_hold: bool = True

    def scale(self, alpha: float) -> float:
        """The standard error that the good end of the interval stands for.

        Of a t interval it is the standard error itself. The interval of a set metric comes from a bootstrap and may be
        lopsided: then it is that of the side which a regression depends on.
        """
        return max(0.0, self.loss - self.low) / float(stdtrit(self.n - 1, 1 - alpha / 2))

    @property
    def is_tested(self) -> bool:
        """Whether there are prompts enough for an interval and for the policy."""
        return self.n >= max(2, self.min_n)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The verdict on one metric.

    Attributes:
        verdict: `pass`, `regression`, `inconclusive` or `incomplete`.
        p: Of a regression, Holm-corrected over the gate; NaN where nothing could be tested.
        corrected_level: Level of the interval that had to lie beyond the margin; the same for the whole gate.
        corrected_low: Its lower end; NaN where there is none.
        n_needed: Of an inconclusive metric: prompts after which the interval leaves the margin with 80 % power if the
            true loss is the one measured; infinity where it lies on the margin. NaN with fewer than two prompts, and
            for every other verdict.
    """

    verdict: Verdict
    p: float
    corrected_level: float
    corrected_low: float
    n_needed: float


def decide(evidence: Sequence[Evidence], alpha: float) -> list[Decision]:
    """One decision per piece of evidence, in order; all of them are one family of tests.

    Args:
        evidence: Everything the gate looks at, also what could not be tested: it counts in the family.
        alpha: 1 - the level of the intervals in `evidence`.
    """
    adjusted = holm([_p(one, alpha) for one in evidence]).tolist()
    found = sum(p <= alpha for p in adjusted)
    level = 1 - alpha / max(1, len(evidence) - found)
    return [_decision(one, p, alpha, level) for one, p in zip(evidence, adjusted, strict=True)]


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of a whole gate: that of its worst metric."""
    return min(verdicts, key=WORST_FIRST.index)


def _p(one: Evidence, alpha: float) -> float:
    return regression_p(one.loss, one.scale(alpha), one.n, one.margin) if one.is_tested else float("nan")


def _decision(one: Evidence, p: float, alpha: float, level: float) -> Decision:
    verdict = _verdict(one, p, alpha)
    return Decision(
        verdict=verdict,
        p=p,
        corrected_level=level,
        corrected_low=loss_interval(one.loss, one.scale(alpha), one.n, level)[0] if one.n > 1 else float("nan"),
        n_needed=_needed(one, alpha, level) if verdict == "inconclusive" else float("nan"),
    )


def _needed(one: Evidence, alpha: float, level: float) -> float:
    if one.n < 2:
        return float("nan")
    strictness = 1 - level if one.loss > one.margin else alpha
    deviation = one.standard_error * one.n**0.5
    return max(one.min_n, prompts_to_settle(one.loss, deviation, one.margin, alpha=strictness))


def _verdict(one: Evidence, p: float, alpha: float) -> Verdict:
    if not one.limits_hold or p <= alpha:
        return "regression"
    if not one.covered:
        return "incomplete"
    return "pass" if one.is_tested and one.high <= one.margin else "inconclusive"
