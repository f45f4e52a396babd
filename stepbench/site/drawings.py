"""Whiskers of one metric: a line per run with its mean and 95 % interval, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from stepbench.reporting.svg import axis_over, drawing, line, marker, shortened, words
from stepbench.wording import metric_title, number

MOST_ROWS = 40
WIDTH, LEFT, RIGHT = 360.0, 12.0, 348.0
ROW, FOOT = 30.0, 20.0


def whiskers(card: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Markup | None:
    """The first `MOST_ROWS` runs that have a mean; None where there is none.

    Args:
        card: The metric's card.
        rows: Columns label, mean, low, high, interval, rank and n_units, in the order of the drawing.
    """
    kept = [row for row in rows if pd.notna(row["mean"])][:MOST_ROWS]
    if not kept:
        return None
    values = [value for row in kept for value in (row["mean"], row["low"], row["high"]) if pd.notna(value)]
    axis = axis_over(values, LEFT, RIGHT)
    bottom = ROW * len(kept) + 2
    parts = []
    for tick in axis.ticks():
        parts.append(line("grid", axis(tick), 2.0, axis(tick), bottom))
        parts.append(words("tick", axis(tick), bottom + 14, axis.text(tick), "middle"))
    for place, row in enumerate(kept):
        y = ROW * place + 22
        parts.append(words("group", LEFT, y - 8, shortened(str(row["label"]), 46)))
        if pd.notna(row["low"]) and pd.notna(row["high"]):
            parts.append(line("whisker run-0", axis(row["low"]), y, axis(row["high"]), y))
        told = f"{row['label']}: {number(row['mean'])} {row['interval']}, {row['n_units']:.0f} prompts"
        parts.append(marker(0, axis(row["mean"]), y, told))
    label = f"{metric_title(card)}: mean and 95 % interval of {len(kept)} runs"
    return drawing(WIDTH, bottom + FOOT, label, *parts)
