"""Tables about runs as a whole: what they cost, their metrics of all clips together, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stepbench.reporting.cells import interval_text, shown, spread_of
from stepbench.reporting.model import Cost, Failure, SetValue
from stepbench.reporting.tables import Table
from stepbench.wording import ARROWS, DASH

PLACES = 3
"""Samples spelled out behind one reason; the rest are counted."""


def cost_table(costs: Sequence[Cost]) -> Table:
    """Seconds in all and by stage, memory and energy; columns that no run has are left out."""
    stages = list(dict.fromkeys(stage for cost in costs for stage in cost.stages))
    rows = []
    for cost in costs:
        rows.append(
            (
                cost.label,
                str(cost.n),
                shown(cost.seconds, digits=3),
                interval_text(cost.low, cost.high),
                shown(cost.median, digits=3),
                *(shown(cost.stages.get(stage), digits=2) for stage in stages),
                *([_memory(cost.peak_memory_bytes)] if _any(costs, "peak_memory_bytes") else []),
                *([shown(cost.joules, digits=3)] if _any(costs, "joules") else []),
            )
        )
    columns = (
        *("Run", "Clips", "Seconds per clip", "95 % interval", "Median"),
        *(f"{stage.replace('_', ' ')} (s)" for stage in stages),
        *(["Peak memory"] if _any(costs, "peak_memory_bytes") else []),
        *(["Joules per clip"] if _any(costs, "joules") else []),
    )
    return Table(
        caption="What a clip costs to make",
        columns=columns,
        numeric=frozenset(columns[1:]),
        rows=tuple(rows),
        note="Mean seconds per clip that was made, storing included, and by stage as the generator reports them; "
        "stages may lie within one another. Seconds and memory depend on the machine: compare them only where the "
        "recipes name the same one.",
    )


def _any(costs: Sequence[Cost], field: str) -> bool:
    return any(getattr(cost, field) is not None for cost in costs)


def _memory(value: int | None) -> str:
    return DASH if value is None else f"{value / 2**30:.2f} GiB"


def set_table(values: Sequence[SetValue]) -> Table:
    """Metrics of all clips together, with the floor that real clips would have, and the caution that goes with them."""
    rows = tuple(
        (
            f"{value.metric} {ARROWS[value.direction]}".rstrip(),
            value.label,
            shown(value.value, spread_of(value.low, value.high)),
            interval_text(value.low, value.high),
            f"{value.n} / {value.n_reference}",
            f"{shown(value.floor)} (at {value.floor_n})" if value.floor_n else DASH,
            value.error or value.caution or "none",
        )
        for value in values
    )
    return Table(
        caption="Metrics of all clips together",
        columns=("Metric", "Run", "Value", "95 % interval", "Clips / reference", "Floor (at clips)", "Caution"),
        numeric=frozenset({"Value", "95 % interval", "Clips / reference", "Floor (at clips)"}),
        rows=rows,
        grouped=len(rows) > 1,
        note="The floor is the distance between two disjoint halves of the real clips: no model can be told from real "
        "below it. Values at unequal numbers of clips are not comparable.",
    )


def failure_table(failures: Iterable[Failure], most: int) -> Table:
    """What is missing, and why, one row per reason; the first so many."""
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for row in failures:
        alike.setdefault((row.label, row.what, row.outcome, row.error), []).append(row.where)
    rows = [(label, _places(where), *rest) for (label, *rest), where in alike.items()]
    left = len(rows) - most
    return Table(
        caption="Missing samples and scores",
        columns=("Run", "Sample", "What", "Outcome", "Reason"),
        numeric=frozenset(),
        rows=tuple(rows[:most]),
        note=f"{left} more are not listed: stepbench show RUN lists them all." if left > 0 else "",
    )


def _places(where: Sequence[str]) -> str:
    rest = f" and {len(where) - PLACES} more" if len(where) > PLACES else ""
    return ", ".join(where[:PLACES]) + rest
