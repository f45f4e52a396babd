"""Why a metric got its verdict: one short sentence per cause."""

from __future__ import annotations

import math

from stepbench.gate.measure import Measured
from stepbench.gate.policy import Policy
from stepbench.gate.verdicts import Decision
from stepbench.gate.wording import level


def reasons(one: Measured, decision: Decision, policy: Policy) -> tuple[str, ...]:
    """The causes of a verdict, the deciding one first; never empty."""
    if decision.verdict == "incomplete":
        return one.gaps
    told = [*one.broken]
    if decision.verdict == "regression" and decision.p <= policy.alpha:
        told.append(f"the whole interval of the loss lies beyond the margin {one.evidence.margin:.4g}")
    if decision.verdict == "pass":
        told.append(f"the interval's bad end {one.evidence.high:.3g} is inside the margin {one.evidence.margin:.4g}")
    if decision.verdict == "inconclusive":
        told.append(_undecided(one, decision, policy))
    return (*told, *one.gaps)


def _undecided(one: Measured, decision: Decision, policy: Policy) -> str:
    evidence = one.evidence
    if evidence.n < 2:
        return "a single prompt gives no interval: at least 2 are needed"
    if not evidence.is_tested:
        return f"{evidence.n} prompts, the policy demands {evidence.min_n}"
    if evidence.low > evidence.margin:
        return (
            f"the {level(policy.alpha)} interval lies beyond the margin {evidence.margin:.4g}, but not surely enough "
            f"for one of several tests (p {decision.p:.2g} with Holm, {policy.alpha:g} allowed); {needed(decision)}"
        )
    return f"the interval holds the margin {evidence.margin:.4g}; {needed(decision)}"


def needed(decision: Decision) -> str:
    """How many prompts would settle the matter, in words."""
    if math.isinf(decision.n_needed):
        return "the loss lies on the margin, which no number of prompts settles"
    return f"about {decision.n_needed:,.0f} prompts would settle it if the loss stays as measured"
