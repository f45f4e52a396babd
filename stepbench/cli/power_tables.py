"""The tables of `stepbench power`: prompts per metric, and votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from stepbench.cli.output import note, number, print_records, print_table
from stepbench.sample_size import Sizes


def print_sizes(found: Sequence[Sizes], *, json: bool) -> None:
    """One row per metric; columns that say nothing are left out."""
    if json:
        records = [asdict(one) for one in found]
        print_records({**record.pop("spread"), **record} for record in records)
        return
    rows = [
        {
            "metric": one.spread.metric or "given",
            "spread": number(one.spread.deviation),
            "prompts": one.spread.n or "",
            "detectable": number(one.detectable),
            "effect": number(one.effect),
            "prompts for it": one.prompts_for_effect,
            "margin": number(one.margin),
            "prompts for the gate": one.prompts_for_gate,
            "hours": number(one.hours, 3),
            "unit": one.spread.unit,
            "spread known from": one.spread.source,
        }
        for one in found
    ]
    shown = [column for column in rows[0] if any(row[column] not in (None, "") for row in rows)]
    print_table(rows, shown)
    note("spread: standard deviation of the per-prompt differences; detectable: found with the prompts that there are")
    if "hours" in shown:
        note("hours: to make one run's clips, of the largest number of prompts in the row")


def print_votes(
    seen: list[dict[str, float]], needed: list[dict[str, float]], seconds: float | None, *, json: bool
) -> None:
    """What numbers of prompts can show, and what effects take; with hours where seconds per clip are given."""
    for record in [*seen, *needed]:
        record |= {"hours": record["prompts"] * seconds / 3600} if seconds is not None else {}
    if json:
        print_records([*seen, *needed])
        return
    if seen:
        _print_wide(seen, "prompts", "points", "points of the win rate that can be seen, one vote per prompt")
    if needed:
        _print_wide(needed, "points", "votes", "votes needed for a shift of the win rate by so many points")
    if any(record["votes"] != record["prompts"] for record in needed):
        note("votes on one prompt agree with one another, so that more of them are needed than on different prompts")
    if seconds is not None:
        note(f"hours: to make one model's clips at {seconds:g} s each, at the smallest share of ties")


def _print_wide(records: Sequence[dict[str, float]], key: str, value: str, title: str) -> None:
    """One row per `key`, one column per share of ties."""
    rows: dict[float, dict[str, Any]] = {}
    for record in records:
        row = rows.setdefault(record[key], {key: f"{record[key]:g}"})
        row[f"{record['ties']:.0%} ties"] = f"{record[value]:.1f}" if value == "points" else f"{record[value]:g}"
        if "hours" in record:
            row.setdefault("hours", number(record["hours"], 3))
    table = list(rows.values())
    columns = sorted(table[0], key=lambda column: column == "hours")
    print_table(table, columns, title=title)
