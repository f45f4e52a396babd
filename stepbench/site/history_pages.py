"""Runs over time with the verdicts of gates, and quality against cost: a page of either per metric of a table."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from stepbench.board.gates import gate_rows, last_verdicts
from stepbench.board.pareto import pareto_front
from stepbench.board.verdict_words import say
from stepbench.site.drawings import LOOKS, cost_plot, timeline, verdict_marker
from stepbench.site.render import Renderer
from stepbench.wording import DASH, metric_title, moment, number

MOST_RUNS = 500
"""Runs in a drawing and its table, the newest; a page of thousands would be slow to open."""


FACTS = (
    *("generator", "created_at", "status"),
    *("seconds", "seconds_low", "seconds_high", "peak_memory_bytes", "joules", "stages"),
)


def history_page(page: Renderer, table: dict[str, Any], place: int) -> tuple[str, str]:
    """One metric over time, the newest run first, and the verdicts of all gates on the suite."""
    rows = _rows(page, table, place)
    verdicts = last_verdicts(page.content.board.gates())
    for row in rows:
        row["verdict"] = verdicts.get(row["run"], "")
        row["verdict_text"] = say(row["verdict"], page.words.language) if row["verdict"] else ""
        row["status_text"] = say(row["status"], page.words.language)
    rows.sort(key=lambda row: row["created_at"], reverse=True)
    rows = rows[:MOST_RUNS]
    stem = f"history-{table['table_id']}"
    card = _card(page, table, place)
    return page(
        f"{stem}-{place}.html",
        "history",
        "history",
        table=table,
        metrics=page.links(table, stem, place),
        title=metric_title(card) if card else "",
        drawing=timeline(_described(page, card, rows), rows) if card else None,
        legend=[
            verdict_marker(verdict, say(verdict, page.words.language) if verdict else page.words("no_gate"))
            for verdict in LOOKS
            if any(row["verdict"] == verdict for row in rows)
        ],
        rows=rows,
        gates=gate_rows(
            page.content.board.gates(),
            table["suite"]["name"],
            lambda verdict: say(verdict, page.words.language),
            {one["name"]: metric_title(one) for one in page.content.cards.values()},
        ),
    )


def cost_page(page: Renderer, table: dict[str, Any], place: int) -> tuple[str, str]:
    """One metric against seconds per clip, and what else was measured. Withdrawn runs beat nobody."""
    rows = _rows(page, table, place)
    card = _card(page, table, place)
    drawn = [row for row in rows if pd.notna(row["mean"]) and pd.notna(row["seconds"]) and row["withdrawn"] is None]
    direction = card["direction"] if card is not None else "neutral"
    decided = direction != "neutral"
    if decided and drawn:
        points = pd.DataFrame(drawn)
        beaten_by_none = pareto_front(
            points.seconds.to_numpy(), points["mean"].to_numpy(), higher=direction == "higher"
        )
        for row, front in zip(drawn, beaten_by_none, strict=True):
            row["front"] = bool(front)
    rows.sort(key=lambda row: (pd.isna(row["seconds"]), row["seconds"]))
    stem = f"cost-{table['table_id']}"
    return page(
        f"{stem}-{place}.html",
        "cost",
        "cost",
        table=table,
        metrics=page.links(table, stem, place),
        title=metric_title(card) if card else "",
        drawing=cost_plot(_described(page, card, drawn), page.words("seconds"), drawn) if decided else None,
        rows=[row | _cost(page, row) for row in rows],
    )


def _card(page: Renderer, table: dict[str, Any], place: int) -> dict[str, Any] | None:
    return page.content.cards[table["metric_ids"][place]] if table["metric_ids"] else None


def _rows(page: Renderer, table: dict[str, Any], place: int) -> list[dict[str, Any]]:
    """Every run of a table with its facts and one metric's numbers over all prompts, NaN where it has none."""
    metric_id = table["metric_ids"][place] if table["metric_ids"] else ""
    summary = page.content.summary(table["table_id"], "metric_id").get(metric_id)
    scored = {} if summary is None else summary[summary.cut == "all"].set_index("run").to_dict(orient="index")
    nothing = {**dict.fromkeys(("mean", "low", "high"), float("nan")), "interval": DASH, "rank": "", "scored": ""}
    rows = []
    for run in table["runs"]:
        facts = page.content.facts[run]
        row = {**nothing, **scored.get(run, {}), **page.content.about(run), "run": run, "front": False}
        row |= {name: facts[name] for name in FACTS}
        row["mean_text"] = number(row["mean"], (row["high"] - row["low"]) / 2)
        row["made"] = moment(row["created_at"])
        rows.append(row)
    return rows


def _described(page: Renderer, card: dict[str, Any] | None, rows: list[dict[str, Any]]) -> str:
    if card is None:
        return ""
    n = sum(pd.notna(row["mean"]) for row in rows)
    return page.words("runs_described", title=card["title"], n=n, better=page.words(card["direction"]))


def _cost(page: Renderer, row: dict[str, Any]) -> dict[str, Any]:
    """Texts of what a run took."""
    seconds, low, high = row["seconds"], row["seconds_low"], row["seconds_high"]
    spread = (high - low) / 2
    bounds = f" [{number(low, spread)}, {number(high, spread)}]" if pd.notna(spread) else ""
    stages = json.loads(row["stages"]) if isinstance(row["stages"], str) else {}
    memory = row["peak_memory_bytes"]
    return {
        "seconds_text": DASH if pd.isna(seconds) else number(seconds, spread) + bounds,
        "memory_text": DASH if pd.isna(memory) else f"{memory / 2**20:,.0f} MiB",
        "joules_text": DASH if pd.isna(row["joules"]) else f"{row['joules']:.3g} J",
        "stages_text": ", ".join(f"{say(name, page.words.language)} {value:.3g}" for name, value in stages.items()),
    }
