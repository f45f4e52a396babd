"""Rows of the overview: the board's numbers in the order and the words in which a page shows them. No Streamlit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
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
    if not (filters.generators or filters.licences or filters.text.split() or filters.coverage > 0):
        return frame
    shown = runs.loc[runs.index.isin(frame.run.unique())]
    if filters.generators:
        shown = shown[shown.generator.isin(filters.generators)]
    if filters.licences:
        shown = shown[shown.licence.fillna("").isin(filters.licences)]
    words = filters.text.casefold().split()
    if words:
        columns = (shown[name].fillna("") for name in ("run", "label", "generator", "description", "badge"))
        texts = ("\n".join(parts).casefold() for parts in zip(*columns, strict=True))
        shown = shown[[all(word in text for word in words) for text in texts]]
    names = shown.index
    if filters.coverage > 0:
        least = frame.groupby("run").coverage.min()
        names = names.intersection(least.index[least >= filters.coverage - 1e-9])
    return frame.loc[frame.run.isin(names)]


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
    runs, known = pd.factorize(frame.run)
    names = pd.Index([*order, *known]).unique()
    place = names.get_indexer(known)[runs]
    # Each run's row with the fewest scores: of equal ones the first, which is written last.
    fewest = np.argsort(frame.n_scored.to_numpy(), kind="stable")[::-1]
    least = np.zeros(len(names), dtype=np.intp)
    least[place[fewest]] = fewest
    shown = frame.iloc[least]
    columns: dict[tuple[str, str], Any] = {("", "Generator"): shown.label.array}
    columns |= {("", header): fact.reindex(names).array for header, fact in facts.items()}
    columns |= {("", "Prompts"): shown.n_units.array, ("", "Scored"): shown.scored.array}
    for metric_id, title in titles.items():
        own = np.flatnonzero(frame.metric_id == metric_id)
        if not own.size:
            continue
        cell = np.full(len(names), -1)
        cell[place[own]] = own
        columns[(title, "mean")] = _cells(frame, "mean", cell)
        columns[(title, "95 %")] = _cells(frame, "interval", cell)
        if frame.rank_low.iloc[own].notna().any():
            columns[(title, "rank")] = _cells(frame, "rank", cell)
    return pd.DataFrame(columns, index=names)


def _cells(frame: pd.DataFrame, column: str, rows: np.ndarray) -> Any:
    """Values of a column at positions; -1 stands for a missing one."""
    return frame[column].array.take(rows, allow_fill=True)
