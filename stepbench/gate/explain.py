"""A gate in sentences: what was tested, why each verdict came out, and what would change it."""

from __future__ import annotations

import math

from stepbench.gate.result import GateResult, MetricResult
from stepbench.gate.wording import allowed, digits, interval, level, one_line, sides, signed


def explain(result: GateResult) -> list[str]:
    """Lines for people, one paragraph per metric."""
    alpha, tests = result.policy.alpha, len(result.metrics)
    lines = [
        f"tested: {one_line(sides(result))}",
        f"Each metric has a margin, the largest loss that is accepted. The {level(alpha)} interval of the mean loss "
        "over prompts says what the true loss may be: pass when all of it is inside the margin, regression when all of "
        "it is beyond, else inconclusive.",
        f"The gate passes only if all {tests} tests pass, so each is made at full alpha: of gates in which one metric "
        f"has lost its margin, at most {alpha / 2:.1%} pass. One regression fails the gate, so regressions are "
        f"corrected with Holm over {tests} tests: where no loss exceeds its margin, at most {alpha / 2:.1%} of gates "
        "show one.",
    ]
    for one in result.metrics:
        lines += [
            "",
            f"{one.metric} against the {one.against}: {one.verdict}",
            *(f"  because {one_line(reason)}" for reason in one.reasons),
            f"  {_measured(one, alpha)}",
            *(f"  {change}" for change in _changes(one)),
        ]
    return lines


def _measured(one: MetricResult, alpha: float) -> str:
    if not one.n:
        return "no prompt is scored on both sides"
    told = (
        f"mean {digits(one.mean_reference)} -> {digits(one.mean_candidate)}, difference {signed(one.difference)}, "
        f"{level(alpha)} interval {interval(one)}, allowed {allowed(one)}, {one.n} prompts"
    )
    if not math.isnan(one.p) and one.loss_low > 0:
        told += f"; Holm-corrected p of a regression {one.p:.2g}"
    return told


def _changes(one: MetricResult) -> list[str]:
    """What would turn the verdict into another one."""
    if one.verdict == "incomplete":
        return ["what would change it: the missing scores, or a lower min_coverage in the policy"]
    changes = []
    if math.isfinite(one.loss_high):
        if one.verdict == "pass" and one.loss_high > 0:
            changes.append(f"what would change it: a margin below {digits(one.loss_high)} would not pass")
        elif one.verdict == "pass":
            changes.append("what would change it: no margin, the interval holds no loss at all")
        else:
            changes.append(f"what would change it: a margin of {_rounded_up(one.loss_high)} or more would pass")
    if one.verdict == "regression" and math.isfinite(one.loss_low) and one.loss_low > one.margin:
        changes.append(f"a margin above {digits(one.loss_low)} would make it inconclusive")
    if one.verdict == "inconclusive" and math.isfinite(one.n_needed):
        changes.append(
            f"with {one.n_needed:,.0f} prompts it would be settled four times out of five, if the true difference is "
            "the measured one"
        )
    if one.verdict == "inconclusive" and one.n < one.min_n:
        changes.append(f"the policy wants {one.min_n} prompts at least")
    return changes


def _rounded_up(value: float) -> str:
    """Three digits that are not below the value."""
    if value <= 0:
        return "0"
    scale = 10 ** (2 - math.floor(math.log10(value)))
    return f"{math.ceil(value * scale) / scale:.3g}"
