"""Pictures of tables: a data frame goes in, an Altair chart comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from leaderboard.translation import Words
from stepbench.board.pareto import pareto_front

Drawing = alt.LayerChart | alt.FacetChart
"""What layers become; facets only in the eyes of the type checker."""

ROW_HEIGHT = 28
AXIS_HEIGHT = 90
PLOT_HEIGHT = 400
LEGEND_HEIGHT = 120
# Readable on the light and on the dark background alike.
COLOUR = "#3b82f6"
AMBER = "#d97706"
EDGE = 8
"""Pixels between the outermost points and the edge of a chart, so that no point is cut in half."""

VERDICT_COLOURS = {"pass": "#16a34a", "inconclusive": AMBER, "incomplete": "#9333ea", "regression": "#dc2626"}

MOST_ROWS = 60
"""A chart of more lines than this is a wall; the table beside it has all of them."""

MOST_POINTS = 100
"""Points of runs that another beats; a cloud of more hides which is which, and takes long to draw."""

GREY = "#8b95a5"
"""Of what stands in the background."""


def whiskers(rows: pd.DataFrame, card: Mapping[str, Any], word: Words) -> Drawing:
    """Means with 95 % intervals, one line per run, in the order of the rows.

    Args:
        rows: Columns label, mean, low, high, rank, n_units, scored. A run without a mean is left out.
        card: The metric's card, for title, unit and direction.
        word: Texts of `words/charts.toml`.
    """
    shown = rows.loc[rows["mean"].notna(), ["label", "mean", "low", "high", "rank", "n_units", "scored"]]
    better = word(card["direction"])
    tooltip = [
        *_number_tooltips(word),
        alt.Tooltip("rank:N", title=word("rank")),
        alt.Tooltip("n_units:Q", title=word("n")),
        alt.Tooltip("scored:N", title=word("scored")),
    ]
    return _lines(
        shown, _axis(card, better), tooltip, word("whiskers", title=card["title"], n=len(shown), better=better)
    )


def weighted(rows: pd.DataFrame, word: Words) -> Drawing:
    """Weighted scores with 95 % intervals. Columns of `rows`: label, mean, low, high."""
    shown = rows.loc[rows["mean"].notna(), ["label", "mean", "low", "high"]]
    description = word("weighted_description", n=len(shown))
    return _lines(shown, [word("weighted"), word("weighted_scale")], _number_tooltips(word), description)


def ratings(rows: pd.DataFrame, word: Words) -> Drawing:
    """Ratings of models with 95 % intervals. Columns of `rows`: label, mean, low, high, rank."""
    shown = rows.loc[rows["mean"].notna(), ["label", "mean", "low", "high", "rank"]]
    tooltip = [*_number_tooltips(word), alt.Tooltip("rank:N", title=word("rank"))]
    return _lines(shown, word("rating"), tooltip, word("ratings", n=len(shown)))


def differences(rows: pd.DataFrame, card: Mapping[str, Any], baseline: str, word: Words) -> Drawing:
    """Paired differences from a baseline with 95 % intervals around the line of no difference.

    Args:
        rows: Columns label, mean (the difference), low, high and p.
        card: The metric's card.
        baseline: Label of the run that the others are compared with.
        word: Texts of `words/charts.toml`.
    """
    shown = rows.loc[rows["mean"].notna(), ["label", "mean", "low", "high", "p"]]
    tooltip = [*_number_tooltips(word, mean="difference"), alt.Tooltip("p:Q", title=word("p"), format=".2~g")]
    description = word("differences", baseline=baseline, title=card["title"], n=len(shown))
    none = alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(strokeDash=[4, 4], color="#888888").encode(x="x:Q")
    title, unit = _axis(card, word(card["direction"]))
    axis = [f"{word('difference')}: {title}", unit]
    return _lines(shown, axis, tooltip, description, behind=none)


def quality_cost(rows: pd.DataFrame, card: Mapping[str, Any], word: Words) -> Drawing:
    """A metric against seconds per clip, both with 95 % intervals; runs that none beats in both are joined by a line.

    Args:
        rows: Columns label, mean, low, high, seconds, seconds_low, seconds_high; those that lack one of the two means
            are left out.
        card: The metric's card; higher or lower must be better.
        word: Texts of `words/charts.toml`.
    """
    names = ["label", "mean", "low", "high", "seconds", "seconds_low", "seconds_high"]
    shown = rows.loc[rows["mean"].notna() & rows.seconds.notna(), names]
    front = pareto_front(shown["seconds"].to_numpy(), shown["mean"].to_numpy(), higher=card["direction"] == "higher")
    shown = shown.assign(front=np.where(front, word("yes"), word("no")), beaten=~front)
    x = alt.X("seconds:Q", title=word("seconds"), scale=alt.Scale(zero=False, padding=EDGE))
    y = alt.Y("mean:Q", title=_axis(card, word(card["direction"])), scale=alt.Scale(zero=False, padding=EDGE))
    tooltip = [
        *_number_tooltips(word),
        alt.Tooltip("seconds:Q", title=word("seconds"), format=".4~g"),
        alt.Tooltip("front:N", title=word("front")),
    ]
    colours = alt.Scale(domain=[False, True], range=[COLOUR, GREY])
    base = alt.Chart(shown).encode(color=alt.Color("beaten:N", scale=colours, legend=None))
    layers = [
        alt.Chart(shown[front].sort_values("seconds")).mark_line(color=COLOUR, strokeDash=[5, 3]).encode(x=x, y=y),
        base.mark_rule(opacity=0.6).encode(x=x, y=alt.Y("low:Q"), y2=alt.Y2("high:Q")),
        base.mark_rule(opacity=0.6).encode(x=alt.X("seconds_low:Q"), x2=alt.X2("seconds_high:Q"), y=y),
        # The browser words the tooltip of every mark when it draws it, so the points alone have them.
        base.mark_point(filled=True, size=80, opacity=1).encode(x=x, y=y, tooltip=tooltip),
    ]
    description = word("cost", title=card["title"], n=len(shown), front=int(front.sum()))
    return alt.layer(*layers).properties(height=PLOT_HEIGHT, description=description)


def front_and_best(rows: pd.DataFrame, card: Mapping[str, Any]) -> pd.DataFrame:
    """The runs that no other beats in quality and cost, and the first `MOST_POINTS` of the others, in their order.

    Args:
        rows: As `quality_cost` takes them; those that lack one of the two means are left out.
        card: The metric's card.
    """
    shown = rows.loc[rows["mean"].notna() & rows.seconds.notna()]
    front = pareto_front(shown["seconds"].to_numpy(), shown["mean"].to_numpy(), higher=card["direction"] == "higher")
    return shown.loc[front | (np.cumsum(~front) <= MOST_POINTS)]


def timeline(rows: pd.DataFrame, card: Mapping[str, Any], word: Words) -> Drawing:
    """A metric over time with 95 % intervals; colours and shapes tell the verdict of the run's last gate.

    Args:
        rows: Columns label, generator, created_at (ISO 8601), mean, low, high, verdict (empty without a gate).
        card: The metric's card.
        word: Texts of `words/charts.toml`.
    """
    names = ["label", "generator", "created_at", "mean", "low", "high", "verdict"]
    shown = rows.loc[rows["mean"].notna(), names]
    named = {**{verdict: word(verdict) for verdict in VERDICT_COLOURS}, "": word("no_gate")}
    shown = shown.assign(made=pd.to_datetime(shown.created_at, utc=True), verdict=shown.verdict.map(named))
    domain = list(named.values())
    legend = alt.Legend(orient="bottom", columns=2)
    colour = alt.Color(
        "verdict:N",
        title=word("verdict"),
        scale=alt.Scale(domain=domain, range=[*VERDICT_COLOURS.values(), COLOUR]),
        legend=legend,
    )
    x = alt.X("made:T", title=word("made"), scale=alt.Scale(padding=EDGE))
    y = alt.Y("mean:Q", title=_axis(card, word(card["direction"])), scale=alt.Scale(zero=False, padding=EDGE))
    tooltip = [
        alt.Tooltip("label:N", title=word("run")),
        alt.Tooltip("generator:N", title=word("generator")),
        alt.Tooltip("made:T", title=word("made"), format="%Y-%m-%d %H:%M"),
        *_number_tooltips(word)[1:],
        alt.Tooltip("verdict:N", title=word("verdict")),
    ]
    base = alt.Chart(shown).encode(x=x)
    shape = alt.Shape("verdict:N", title=word("verdict"), scale=alt.Scale(domain=domain), legend=legend)
    layers = [
        base.mark_line(color=GREY, opacity=0.6).encode(y=y, detail="generator:N"),
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), color=colour),
        base.mark_point(filled=True, size=90, opacity=1).encode(y=y, color=colour, shape=shape, tooltip=tooltip),
    ]
    description = word("timeline", title=card["title"], n=len(shown), better=word(card["direction"]))
    # The page fits all of the picture into its height, and the axis needs its title's length.
    return alt.layer(*layers).properties(height=PLOT_HEIGHT + LEGEND_HEIGHT, description=description)


def _axis(card: Mapping[str, Any], better: str) -> list[str]:
    """Two lines, so that a phone shows all of it."""
    return [card["title"], f"{card['unit']}, {better}" if card["unit"] else better]


def _number_tooltips(word: Words, *, mean: str = "mean") -> list[alt.Tooltip]:
    return [
        alt.Tooltip("label:N", title=word("run")),
        alt.Tooltip("mean:Q", title=word(mean), format=".4~g"),
        alt.Tooltip("low:Q", title=word("low"), format=".4~g"),
        alt.Tooltip("high:Q", title=word("high"), format=".4~g"),
    ]


def _lines(
    shown: pd.DataFrame,
    axis: str | list[str],
    tooltip: list[alt.Tooltip],
    description: str,
    *,
    behind: alt.Chart | None = None,
) -> Drawing:
    """One line per row: a point at `mean` and a rule from `low` to `high`."""
    y = alt.Y("label:N", sort=None, title=None, scale=alt.Scale(padding=0.7), axis=alt.Axis(labelLimit=170))
    base = alt.Chart(shown).encode(y=y, tooltip=tooltip)
    lines = base.mark_rule(strokeWidth=2, color=COLOUR).encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"))
    points = base.mark_point(filled=True, size=70, opacity=1, color=COLOUR).encode(
        x=alt.X("mean:Q", title=axis, scale=alt.Scale(zero=False, padding=EDGE))
    )
    layers = [lines, points] if behind is None else [behind, lines, points]
    height = ROW_HEIGHT * max(shown.label.nunique(), 1) + AXIS_HEIGHT
    return alt.layer(*layers).properties(height=height, description=description)
