"""Rows of the overview: the board's numbers in the order and the words in which a page shows them. No Streamlit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from leaderboard.data import BoardData

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


def table_rows(board: BoardData, table_id: str, cut: str, group: str) -> pd.DataFrame:
    """One row per run and metric of a table, for all prompts (`all`, ""), a category or a language.

    Columns: run, label, then those of the board's summary.
    """
    chosen = board.summary(table_id, cut, group)
    labels = board.runs.loc[chosen.run, "label"].to_numpy()
    columns = ["run", "label", *(name for name in chosen.columns if name != "run")]
    return chosen.assign(label=labels)[columns]


def filtered(frame: pd.DataFrame, runs: pd.DataFrame, filters: Filters) -> pd.DataFrame:
    """The rows of the runs that pass all filters.

    Args:
        frame: As from `table_rows`.
        runs: As `BoardData.runs`.
        filters: What is asked for. Coverage counts the metric with the fewest scores.
    """
    shown = runs.loc[runs.index.isin(frame.run)]
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
    return frame[frame.run.isin(names)]


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
        frame: As from `table_rows`.
        titles: metric_id -> text of the upper header, in the order of the columns.
        order: Runs in the order of the rows; runs without the sorting metric follow.
        facts: Header -> what stands there for each run (indexed by run), behind the label.
    """
    names = list(dict.fromkeys([*order, *frame.run]))
    least = frame.sort_values("n_scored", kind="stable").drop_duplicates("run").set_index("run").loc[names]
    columns: dict[tuple[str, str], Any] = {("", "Generator"): least.label}
    columns |= {("", header): fact.reindex(names) for header, fact in facts.items()}
    columns |= {("", "Prompts"): least.n_units, ("", "Scored"): least.scored}
    for metric_id, title in titles.items():
        of_run = frame[frame.metric_id == metric_id].set_index("run").reindex(names)
        columns[(title, "mean")] = of_run["mean"]
        columns[(title, "95 %")] = of_run["interval"]
        if of_run.rank_low.notna().any():
            columns[(title, "rank")] = of_run["rank"]
    return pd.DataFrame(columns, index=names)
