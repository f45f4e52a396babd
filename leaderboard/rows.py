"""Rows of the overview: the board's numbers in the order and the words in which a page shows them. No Streamlit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

TEXTS = ("interval", "rank", "scored")
"""Columns of the board's summary that are for people."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which runs are shown.

    Attributes:
        generators: Names; none for all.
        licences: Likewise.
        text: Words that must all occur in name, label, description or badge.
        coverage: Least share of the planned samples that must have scores, 0 to 1.
    """

    generators: Collection[str] = ()
    licences: Collection[str] = ()
    text: str = ""
    coverage: float = 0.0


def filtered(frame: pd.DataFrame, runs: pd.DataFrame, filters: Filters) -> pd.DataFrame:
    """The rows of the runs that pass all filters.

    Args:
        frame: As `BoardData.summary` gives it.
        runs: As `BoardData.runs`.
        filters: What is asked for. Coverage counts the metric with the fewest scores.
    """
    if filters == Filters():
        return frame
    shown = runs.loc[runs.index.isin(frame.run.unique())]
    if filters.generators:
        shown = shown[shown.generator.isin(filters.generators)]
    if filters.licences:
        shown = shown[shown.licence.fillna("").isin(filters.licences)]
    for word in filters.text.casefold().split():
        texts = shown[["run", "label", "generator", "description", "badge"]].fillna("").agg("\n".join, axis=1)
        shown = shown[texts.str.casefold().str.contains(word, regex=False)]
    names = set(shown.index)
    if filters.coverage > 0:
        least = frame.groupby("run").coverage.min()
        names &= set(least.index[least >= filters.coverage - 1e-9])
    return frame.loc[frame.run.isin(list(names))]


def of_metric(frame: pd.DataFrame, metric_id: str, direction: str) -> pd.DataFrame:
    """The rows of one metric, best first; runs that were not scored come last."""
    chosen = frame[frame.metric_id == metric_id]
    order = chosen.assign(better=chosen["mean"] if direction == "lower" else -chosen["mean"])
    return order.sort_values(["rank_low", "rank_high", "better"], kind="stable").drop(columns="better")


def wide(
    frame: pd.DataFrame, titles: Mapping[str, str], order: Sequence[str], facts: Mapping[str, pd.Series]
) -> pd.DataFrame:
    """One row per run, three columns (mean, 95 % interval, rank) per metric; two header rows.

    Args:
        frame: As `BoardData.summary` gives it.
        titles: metric_id -> text of the upper header, in the order of the columns.
        order: Runs in the order of the rows; runs without the sorting metric follow.
        facts: Header -> what stands there for each run (indexed by run), behind the label.
    """
    names = list(dict.fromkeys([*order, *frame.run]))
    least = frame.sort_values("n_scored", kind="stable").drop_duplicates("run").set_index("run").loc[names]
    columns: dict[tuple[str, str], Any] = {("", "Generator"): least.label}
    columns |= {("", header): fact.reindex(names) for header, fact in facts.items()}
    columns |= {("", "Prompts"): least.n_units, ("", "Scored"): least.scored}
    shown = frame[frame.metric_id.isin(list(titles))]
    cells = shown.pivot(index="run", columns="metric_id", values=["mean", "interval", "rank", "rank_low"]).reindex(
        names
    )
    for metric_id, title in titles.items():
        if ("mean", metric_id) not in cells.columns:
            continue
        columns[(title, "mean")] = cells["mean", metric_id].astype(float)
        columns[(title, "95 %")] = cells["interval", metric_id]
        if any(cells["rank_low", metric_id].notna()):
            columns[(title, "rank")] = cells["rank", metric_id]
    return pd.DataFrame(columns, index=names)
