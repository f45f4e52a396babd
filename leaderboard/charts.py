"""Pictures of tables: a data frame goes in, an Altair chart comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

ROW_HEIGHT = 28
AXIS_HEIGHT = 90
# Readable on the light and on the dark background alike.
COLOUR = "#3b82f6"

MOST_ROWS = 60
"""A chart of more lines than this is a wall; the table beside it has all of them."""


def whiskers(rows: pd.DataFrame, card: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    """Means with 95 % intervals, one line per run, in the order of the rows.

    Args:
        rows: Columns label, mean, low, high, rank, n_units, scored. A run without a mean is left out.
        card: The metric's card, for title, unit and direction.
    """
    shown = rows.loc[rows["mean"].notna(), ["label", "mean", "low", "high", "rank", "n_units", "scored"]]
    better = {"higher": "higher is better", "lower": "lower is better"}.get(card["direction"], "neither way is better")
    unit = f"{card['unit']}, " if card["unit"] else ""
    y = alt.Y("label:N", sort=None, title=None, scale=alt.Scale(padding=0.7), axis=alt.Axis(labelLimit=260))
    x = alt.X("mean:Q", title=f"{card['title']} ({unit}{better})", scale=alt.Scale(zero=False))
    tooltip = [
        alt.Tooltip("label:N", title="Run"),
        alt.Tooltip("mean:Q", title="Mean", format=".4~g"),
        alt.Tooltip("low:Q", title="95 % from", format=".4~g"),
        alt.Tooltip("high:Q", title="95 % to", format=".4~g"),
        alt.Tooltip("rank:N", title="Rank"),
        alt.Tooltip("n_units:Q", title="Prompts"),
        alt.Tooltip("scored:N", title="Scored"),
    ]
    base = alt.Chart(shown).encode(y=y, tooltip=tooltip)
    lines = base.mark_rule(strokeWidth=2, color=COLOUR).encode(x=alt.X("low:Q"), x2="high:Q")
    points = base.mark_point(filled=True, size=70, opacity=1, color=COLOUR).encode(x=x)
    description = f"{card['title']}: mean and 95 % interval of {len(shown)} runs; {better}"
    return alt.layer(lines, points).properties(height=ROW_HEIGHT * len(shown) + AXIS_HEIGHT, description=description)
