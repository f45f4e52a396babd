"""A gate's numbers and headline in the words that the table, the pull request and the explanation share."""

from __future__ import annotations

import math
import unicodedata

from stepbench.gate.result import GateResult, MetricResult

LONGEST_PROMPT = 160
"""Characters of a prompt that are shown."""

_ARROWS = {"higher": "↑", "lower": "↓", "": ""}
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def headline(result: GateResult) -> str:
    """One line: the verdict, and which metrics brought it about."""
    worst = list(dict.fromkeys(one.metric for one in result.metrics if one.verdict == result.verdict))
    if result.verdict == "pass":
        return f"pass: no loss beyond its margin in {', '.join(worst)}"
    return f"{result.verdict}: {', '.join(worst)}"


def digits(value: float) -> str:
    """Four significant digits, or a dash where there is no number."""
    return "-" if math.isnan(value) else f"{value:.4g}"


def signed(value: float) -> str:
    """The same with its sign."""
    return "-" if math.isnan(value) else f"{value:+.4g}"


def interval(one: MetricResult) -> str:
    """The interval of the difference, or a dash."""
    return "-" if math.isnan(one.low) else f"[{one.low:+.3g}, {one.high:+.3g}]"


def level(alpha: float) -> str:
    """The coverage of the intervals: `95%`."""
    return f"{100 * (1 - alpha):g}%"


def allowed(one: MetricResult) -> str:
    """Where the difference may lie: `at most +0.01`, `at least -0.5`."""
    if math.isnan(one.margin):
        return "-"
    return f"{'at least' if one.direction == 'higher' else 'at most'} {one.limit:+.4g}"


def prompts_needed(one: MetricResult) -> str:
    """How many prompts would settle an open question; a dash where there is none."""
    if one.verdict != "inconclusive" or math.isnan(one.n_needed):
        return "-"
    return "no number" if math.isinf(one.n_needed) else f"{one.n_needed:,.0f}"


def gate_rows(result: GateResult) -> list[dict[str, str]]:
    """One row per metric, as the table on the screen and the one in the pull request show it."""
    return [
        {
            "metric": f"{one.metric} {_ARROWS[one.direction]}".strip(),
            **({"against": one.against} if result.anchor is not None else {}),
            "before": digits(one.mean_reference),
            "candidate": digits(one.mean_candidate),
            "difference": signed(one.difference),
            f"{level(result.policy.alpha)} interval": interval(one),
            "allowed": allowed(one),
            "n": str(one.n),
            "n needed": prompts_needed(one),
            "verdict": one.verdict,
        }
        for one in result.metrics
    ]


def one_line(text: str) -> str:
    """The text on one line, without control or direction characters that could deceive a reader or break a file."""
    safe = "".join(
        character
        for character in text
        if character.isspace() or not (unicodedata.category(character) in ("Cc", "Cs", "Cn") or character in _BIDI)
    )
    return " ".join(safe.split())


def short(text: str) -> str:
    """A prompt as it is shown: on one line, cut where it is very long."""
    line = one_line(text)
    return line if len(line) <= LONGEST_PROMPT else line[: LONGEST_PROMPT - 1] + "…"


def sides(result: GateResult) -> str:
    """Who was held against whom."""
    candidate, baseline = result.candidate, result.baseline
    told = f"{candidate.generator} ({candidate.run}) against {baseline.generator} ({baseline.run})"
    if result.anchor is not None:
        told += f", and against the anchor {result.anchor.generator} ({result.anchor.run})"
    return told


def cautions(result: GateResult) -> list[str]:
    """What must stand beside the verdict: forced comparisons and notes."""
    told = [f"NOT COMPARABLE in {difference}" for difference in result.differences]
    if result.reason:
        told.append(f"compared all the same, for this reason: {result.reason}")
    return [*told, *result.notes]
