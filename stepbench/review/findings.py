"""What a policy finds in one clip: per rule a verdict and its reason. What is not known is never a pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stepbench.errors import UsageError
from stepbench.review.policy import Policy, Rule

Verdict = Literal["accept", "review", "reject"]
WORSE: dict[Verdict, int] = {"accept": 0, "review": 1, "reject": 2}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One rule on one clip.

    Attributes:
        axis: `intent`, `quality` or `rights`.
        rule: Metric behind it, or `coverage` where no rule of the axis was for this prompt.
        verdict: What it says.
        reason: Why, with the value; empty where the clip passes.
    """

    axis: str
    rule: str
    verdict: Verdict
    reason: str = ""


def find_in_clip(policy: Policy, language: str, scores: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Finding]:
    """Hold one clip against every rule that is for its prompt.

    Args:
        policy: The policy.
        language: Of the prompt.
        scores: Metric name -> its score rows for this clip, each with value, status, error, note and direction.

    Raises:
        UsageError: Thresholds that contradict the metric's direction.
    """
    findings = []
    for axis, rules in policy.rules.items():
        if axis in policy.waived:
            continue
        meant = {metric: rule for metric, rule in rules.items() if rule.covers(language)}
        if not meant:
            findings.append(_unknown(axis, "coverage", f"no rule is for prompts in {language!r}"))
        for metric, rule in meant.items():
            findings += _by_scores(axis, metric, rule, scores.get(metric, ()))
    return findings


def overall(findings: Sequence[Finding]) -> Verdict:
    """The worst verdict; `review` where nothing was looked at."""
    return worst([finding.verdict for finding in findings]) or "review"


def worst(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The worst of some verdicts; None of none."""
    return max(verdicts, key=lambda verdict: WORSE[verdict]) if verdicts else None


def _by_scores(axis: str, metric: str, rule: Rule, rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    if not rows:
        return [_unknown(axis, metric, "not scored")]
    findings = []
    for row in rows:
        value = row["value"]
        if row["status"] != "ok" or value is None or math.isnan(value):
            findings.append(_unknown(axis, metric, f"{row['status']}: {row['error'] or 'no value'}"))
            continue
        verdict, limit = _judge(metric, rule, row["direction"], value)
        note = f" ({row['note']})" if row.get("note") else ""
        reason = "" if verdict == "accept" else f"{metric} is {value:.4g}, {limit}{note}"
        findings.append(Finding(axis=axis, rule=metric, verdict=verdict, reason=reason))
    return findings


def _unknown(axis: str, rule: str, why: str) -> Finding:
    return Finding(axis=axis, rule=rule, verdict="review", reason=f"{rule}: {why}")


def _judge(metric: str, rule: Rule, direction: str, value: float) -> tuple[Verdict, str]:
    if rule.accept_between is not None:
        low, high = rule.accept_between
        wanted = f"wanted from {low:g} to {high:g}"
        if low <= value <= high:
            return "accept", wanted
        outer = rule.reject_outside
        if outer and not outer[0] <= value <= outer[1]:
            return "reject", f"{wanted}, rejected outside of {outer[0]:g} to {outer[1]:g}"
        return "review", wanted
    accept, reject = rule.accept, rule.reject
    if accept is None or direction == "neutral":
        raise UsageError(
            f"{metric}: neither direction is better, so a policy cannot accept from one value on",
            hint=f"write accept_between = [low, high] under {metric}",
        )
    sign = 1 if direction == "higher" else -1
    if reject is not None and sign * reject >= sign * accept:
        raise UsageError(
            f"{metric}: {direction} is better, so reject = {reject:g} must be worse than accept = {accept:g}",
            hint="exchange the two",
        )
    wanted = f"wanted {'at least' if sign > 0 else 'at most'} {accept:g}"
    if sign * value >= sign * accept:
        return "accept", wanted
    if reject is not None and sign * value <= sign * reject:
        return "reject", f"{wanted}, rejected at {reject:g} and {'below' if sign > 0 else 'above'}"
    return "review", wanted
