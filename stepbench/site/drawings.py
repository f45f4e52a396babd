"""Drawings as SVG: a line per run with mean and 95 % interval, quality against cost, and runs over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import pandas as pd
from markupsafe import Markup

from stepbench.reporting.svg import Axis, axis_over, drawing, line, marker, shortened, words
from stepbench.wording import interval, metric_title, number

MOST_ROWS = 40
WIDTH, LEFT, RIGHT = 360.0, 12.0, 348.0
ROW, FOOT = 30.0, 20.0
MARGIN, TOP, BOTTOM = 56.0, 8.0, 190.0
"""Of drawings with two axes: where the plot begins at the left, the top and the bottom."""

LOOKS = {"pass": 2, "regression": 1, "inconclusive": 4, "incomplete": 3, "": 5}
"""Verdict -> number of the marker; no two share a colour or a shape."""


def whiskers(card: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Markup | None:
    """The first `MOST_ROWS` runs that have a mean; None where there is none.

    Args:
        card: The metric's card.
        rows: Columns label, mean, low, high, interval, rank and n_units, in the order of the drawing.
    """
    kept = [row for row in rows if pd.notna(row["mean"])][:MOST_ROWS]
    return intervals(f"{metric_title(card)}: mean and 95 % interval of {len(kept)} runs", kept)


def intervals(label: str, rows: Sequence[Mapping[str, Any]]) -> Markup | None:
    """A line per row with its interval and a point at its mean; None where no row has a mean.

    Args:
        label: What screen readers are told.
        rows: Columns label, mean, low, high and interval, in the order of the drawing; n_units where it is known.
    """
    kept = [row for row in rows if pd.notna(row["mean"])][:MOST_ROWS]
    if not kept:
        return None
    values = [value for row in kept for value in (row["mean"], row["low"], row["high"]) if pd.notna(value)]
    axis = axis_over(values, LEFT, RIGHT)
    bottom = ROW * len(kept) + 2
    parts = _upright(axis, 2.0, bottom)
    for place, row in enumerate(kept):
        y = ROW * place + 22
        parts.append(words("group", LEFT, y - 8, shortened(str(row["label"]), 46)))
        if pd.notna(row["low"]) and pd.notna(row["high"]):
            parts.append(line("whisker run-0", axis(row["low"]), y, axis(row["high"]), y))
        told = f"{row['label']}: {number(row['mean'])} {row['interval']}"
        prompts = f", {row['n_units']:.0f} prompts" if "n_units" in row else ""
        parts.append(marker(0, axis(row["mean"]), y, told + prompts))
    return drawing(WIDTH, bottom + FOOT, label, *parts)


def cost_plot(label: str, across: str, rows: Sequence[Mapping[str, Any]]) -> Markup | None:
    """A metric against seconds per clip with both intervals; None without rows.

    Args:
        label: What screen readers are told.
        across: Text below the axis of time.
        rows: Columns label, mean, low, high, seconds, seconds_low, seconds_high and front (beaten by none in both).
    """
    if not rows:
        return None
    times = [row[name] for row in rows for name in ("seconds", "seconds_low", "seconds_high") if pd.notna(row[name])]
    log = min(times) > 0 and max(row["seconds"] for row in rows) / min(row["seconds"] for row in rows) > 20
    x = axis_over(times, MARGIN, RIGHT, log=log)
    y = axis_over(_ends(rows), BOTTOM, TOP)
    parts = [*_level(y), *_upright(x, TOP, BOTTOM), words("tick", (MARGIN + RIGHT) / 2, BOTTOM + 30, across, "middle")]
    front = sorted((row["seconds"], row["mean"]) for row in rows if row["front"])
    parts += [line("front", x(a[0]), y(a[1]), x(b[0]), y(b[1])) for a, b in pairwise(front)]
    for row in rows:
        look = 0 if row["front"] else 7
        at = (x(row["seconds"]), y(row["mean"]))
        if pd.notna(row["low"]) and pd.notna(row["high"]):
            parts.append(line(f"whisker run-{look}", at[0], y(row["low"]), at[0], y(row["high"])))
        if pd.notna(row["seconds_low"]) and pd.notna(row["seconds_high"]):
            parts.append(line(f"whisker run-{look}", x(row["seconds_low"]), at[1], x(row["seconds_high"]), at[1]))
        told = f"{row['label']}: {number(row['mean'])} {interval(row['low'], row['high'])}, {number(row['seconds'])} s"
        parts.append(marker(look, *at, told))
    return drawing(WIDTH, BOTTOM + FOOT + 16, label, *parts)


def timeline(label: str, rows: Sequence[Mapping[str, Any]]) -> Markup | None:
    """A metric over time; a line joins the runs of a generator, the marker's colour and shape tell the verdict.

    Args:
        label: What screen readers are told.
        rows: Columns label, generator, created_at (ISO 8601), made, mean, low, high, verdict and verdict_text.
    """
    kept = sorted((row for row in rows if pd.notna(row["mean"])), key=lambda row: row["created_at"])
    if not kept:
        return None
    times = [datetime.fromisoformat(row["created_at"]).timestamp() for row in kept]
    x = axis_over(times, MARGIN, RIGHT)
    y = axis_over(_ends(kept), BOTTOM, TOP)
    parts = [*_level(y), line("axis", MARGIN, BOTTOM, RIGHT, BOTTOM)]
    parts.append(words("tick", MARGIN, BOTTOM + 14, kept[0]["made"]))
    if len(kept) > 1:
        parts.append(words("tick", RIGHT, BOTTOM + 14, kept[-1]["made"], "end"))
    before: dict[str, tuple[float, float]] = {}
    for row, time in zip(kept, times, strict=True):
        at = (x(time), y(row["mean"]))
        if row["generator"] in before:
            parts.append(line("front", *before[row["generator"]], *at))
        before[row["generator"]] = at
    for row, time in zip(kept, times, strict=True):
        look, across = LOOKS[row["verdict"]], x(time)
        if pd.notna(row["low"]) and pd.notna(row["high"]):
            parts.append(line(f"whisker run-{look}", across, y(row["low"]), across, y(row["high"])))
        told = f"{row['label']}, {row['made']}: {number(row['mean'])} {interval(row['low'], row['high'])}"
        verdict = f", {row['verdict_text']}" if row["verdict"] else ""
        parts.append(marker(look, across, y(row["mean"]), told + verdict))
    return drawing(WIDTH, BOTTOM + FOOT, label, *parts)


def verdict_marker(verdict: str, text: str) -> tuple[Markup, str]:
    """The marker of a verdict in a timeline, and what it stands for."""
    return drawing(14.0, 14.0, text, marker(LOOKS[verdict], 7.0, 7.0)), text


def _ends(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    return [row[name] for row in rows for name in ("mean", "low", "high") if pd.notna(row[name])]


def _upright(axis: Axis, top: float, bottom: float) -> list[Markup]:
    """Lines from top to bottom at the ticks of an axis across, each with its number below."""
    parts = []
    for tick in axis.ticks():
        parts.append(line("grid", axis(tick), top, axis(tick), bottom))
        parts.append(words("tick", axis(tick), bottom + 14, axis.text(tick), "middle"))
    return parts


def _level(axis: Axis) -> list[Markup]:
    """Lines across at the ticks of an axis upwards, each with its number at the left."""
    parts = []
    for tick in axis.ticks():
        parts.append(line("grid", MARGIN, axis(tick), RIGHT, axis(tick)))
        parts.append(words("tick", MARGIN - 4, axis(tick) + 3.5, axis.text(tick), "end"))
    return parts
