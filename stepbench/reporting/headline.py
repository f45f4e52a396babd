"""The head of a report: what was compared, what came out, and what to know before trusting it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stepbench.comparison import too_few_prompts
from stepbench.reporting.model import MetricRow, Pairing, RunFacts
from stepbench.reporting.verdict import listed

UNFINISHED = ("running", "interrupted", "partial")
"""Statuses of runs in which planned samples have not been tried yet."""

TITLED = 3
"""Runs beside the baseline that a title spells out; more are counted."""

FEW_PROMPTS = 10
"""Fewer independent prompts than this leave wide intervals and no small p values."""


def title_of(runs: Sequence[RunFacts]) -> str:
    """`a against b on suite`, or `a on suite`."""
    others = [run.label for run in runs[1:]]
    named = listed(others) if len(others) <= TITLED else f"{len(others)} runs"
    subject = f"{named} against {runs[0].label}" if others else runs[0].label
    return f"{subject} on {runs[0].suite}"


def summary_of(
    runs: Sequence[RunFacts],
    cards: Mapping[str, Mapping[str, Any]],
    rows: Sequence[MetricRow],
    pairings: Sequence[Pairing],
) -> tuple[str, ...]:
    """What was compared, then one verdict per further run."""
    first = runs[0]
    seeds = f"{len(first.seeds)} seed{'s' if len(first.seeds) != 1 else ''}"
    units = max((row.n_units for row in rows if row.cut == "all" and row.run == first.run), default=0)
    planned = first.samples["planned"]
    metrics = f"{len(cards)} metric{'s' if len(cards) != 1 else ''}"
    scope = (
        f"{planned} clips planned per run on {first.suite} {first.suite_version} ({seeds} per prompt; {units} "
        f"independent prompts, as translations of one prompt count as one), {metrics}."
    )
    if not pairings:
        made = f"{first.label} made {first.samples['ok']} of {planned} clips."
        return (f"{made} {scope}", "A single run has no verdict: give a second run to compare.")
    against = f"{listed([pairing.label for pairing in pairings])} against the baseline {first.label}: {scope}"
    return (against, *(pairing.verdict for pairing in pairings))


def warnings_of(
    runs: Sequence[RunFacts],
    cards: Mapping[str, Mapping[str, Any]],
    rows: Sequence[MetricRow],
    pairings: Sequence[Pairing],
) -> tuple[str, ...]:
    """Incomparable fields, unfinished runs, gaps in coverage, and numbers too small to say much."""
    found = []
    for pairing in pairings:
        if pairing.incomparable:
            differing = "; ".join(pairing.incomparable)
            found.append(
                f"{pairing.label} is NOT COMPARABLE with {runs[0].label}: {differing}. Shown all the same, apart and "
                f"without a rank, for this reason: {pairing.reason}"
            )
    for run in runs:
        if is_unfinished(run):
            missing, planned = run.samples["missing"], run.samples["planned"]
            found.append(
                f"{run.label} is not finished ({run.status}): {missing} of {planned} samples were not tried yet. The "
                "numbers will change; the same run command continues it"
            )
    found += [_gap(run, cards, rows) for run in runs if _gap(run, cards, rows)]
    overall = [row for row in rows if row.cut == "all" and row.n_scored]
    fewest = min((row.n_units for row in overall), default=0)
    if fewest < FEW_PROMPTS:
        found.append(
            f"Only {fewest} independent prompt{'s' if fewest != 1 else ''}: intervals are wide, and small differences "
            "cannot be found"
        )
    found += [_too_few(pairing) for pairing in pairings if _too_few(pairing)]
    return tuple(found)


def is_unfinished(run: RunFacts) -> bool:
    """Whether planned samples have not been tried yet; a run can be scored before all of them were."""
    return run.status in UNFINISHED or run.samples["missing"] > 0


def _too_few(pairing: Pairing) -> str:
    """A sentence where not even the strongest evidence could survive the correction for the number of metrics."""
    most = max((row.n for row in pairing.differences), default=0)
    why = too_few_prompts(most, len(pairing.differences))
    return why and f"{pairing.label}: {why}"


def _gap(run: RunFacts, cards: Mapping[str, Mapping[str, Any]], rows: Sequence[MetricRow]) -> str:
    """How far a run's scores fall short of its plan, in a sentence; empty where they do not."""
    own = [row for row in rows if row.cut == "all" and row.run == run.run]
    short = [f"{row.metric} {row.n_scored}/{row.n_planned}" for row in own if row.coverage < 1]
    absent = [card["name"] for key, card in cards.items() if key not in {row.metric_id for row in own}]
    parts = ([f"scored over planned is {listed(short)}"] if short else []) + (
        [f"not scored at all by {listed(absent)}"] if absent else []
    )
    if not parts:
        return ""
    return f"{run.label} has gaps: {'; '.join(parts)}. What is missing is missing, never zero"
