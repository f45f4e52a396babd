"""What came out, in words: one or two sentences per pair of runs, and what must be known before trusting them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stepbench.reporting.model import Difference

NAMED = 6
"""Metrics spelled out in a sentence; the rest are counted."""

OPEN_HINT = "no difference was found, which is no proof of none; the table says what could have been found"

BETTER, WORSE, CHANGED, OPEN, NOTHING = "better", "worse", "changed", "not separable", "no common scores"


def outcome(difference: Difference) -> str:
    """The verdict of one row, seen from the run: better, worse, changed (no way is better), open, or no scores."""
    words = {"b better": BETTER, "a better": WORSE, "b higher": CHANGED, "a higher": CHANGED}
    return words.get(difference.verdict, difference.verdict)


def verdict_words(difference: Difference) -> str:
    """The verdict of one row for tables, such as `better`, `higher` or `not separable`."""
    if outcome(difference) == CHANGED:
        return "higher" if difference.verdict == "b higher" else "lower"
    return outcome(difference)


def sentence(label: str, baseline: str, differences: Sequence[Difference]) -> str:
    """What a run is against the baseline, such as `x is better than y on flicker, worse on none ...`."""
    by = {
        name: [row for row in differences if outcome(row) == name] for name in (BETTER, WORSE, CHANGED, OPEN, NOTHING)
    }
    if not any(by[name] for name in (BETTER, WORSE, CHANGED, OPEN)):
        return f"{label} and {baseline} have no scores in common."
    parts = []
    if by[BETTER]:
        parts.append(f"better than {baseline} on {names(by[BETTER])}")
    if by[WORSE]:
        parts.append(f"worse {'' if by[BETTER] else f'than {baseline} '}on {names(by[WORSE])}")
    if by[CHANGED]:
        moved = [f"{row.metric} ({verdict_words(row)})" for row in by[CHANGED]]
        parts.append(f"different in {listed(moved)}, where neither way is better")
    if not parts:
        counted = "the one metric" if len(by[OPEN]) == 1 else f"any of {len(by[OPEN])} metrics"
        return f"{label} cannot be told apart from {baseline} by {counted}: {OPEN_HINT}."
    first = f"{label} is {'; '.join(parts)}."
    if not by[OPEN]:
        return first
    return f"{first} Not separable on {names(by[OPEN])}: {OPEN_HINT}."


def names(rows: Iterable[Difference]) -> str:
    """Metrics in the order of the table."""
    return listed([row.metric for row in rows])


def listed(words: Sequence[str]) -> str:
    """`a, b and c`; a long list ends in a count."""
    if len(words) > NAMED:
        return f"{', '.join(words[:NAMED])} and {len(words) - NAMED} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "nothing"
