"""The tables of a board: runs that may be compared stand in one table, each metric with rank intervals. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from stepbench.board.ranks import rank_intervals
from stepbench.comparability import GEOMETRY

if TYPE_CHECKING:
    from stepbench.board.part import Part

MOST_LETTERS = 80
"""Of a label: the full name of the generator stands beside it in `runs.parquet`."""

ALL = "all"
CUTS = {"category": "by_category", "language": "by_language"}
"""How a table is cut -> the block of a run's summary that has the aggregates."""

AGGREGATES = ("n_planned", "n_scored", "n_failed", "n_refused", "coverage", "n_units", "mean", "low", "high", "method")

SUMMARY_COLUMNS = ("table_id", "run", "metric_id", "cut", "group", *AGGREGATES, "rank_low", "rank_high", "n_ranked")


class ScoredRun(Protocol):
    """What a table is made from: aggregates as `summarize` makes them, and the rows behind them."""

    @property
    def summary(self) -> Mapping[str, Any]:
        """As `stepbench.runs.summary.summarize` makes it."""
        ...

    def samples(self) -> pd.DataFrame:
        """One row per planned sample, with prompt_id, seed, unit, category, language and outcome."""
        ...

    def scores(self) -> pd.DataFrame:
        """One row per sample and metric, with prompt_id, seed, metric_id, value and status."""
        ...


def group_parts(parts: Mapping[str, Part]) -> dict[str, dict[str, Part]]:
    """table_id -> run name -> part. The tables with most runs come first."""
    tables: dict[str, dict[str, Part]] = {}
    for name, part in parts.items():
        tables.setdefault(part.table_id, {})[name] = part
    return dict(sorted(tables.items(), key=lambda item: (-len(item[1]), item[0])))


def table_card(table_id: str, parts: Mapping[str, Part]) -> dict[str, Any]:
    """What stands above a table: suite, selection, geometry, groups and metrics."""
    first = next(iter(parts.values()))
    samples = first.samples()
    metric_ids = list(dict.fromkeys(row["metric_id"] for part in parts.values() for row in part.summary["metrics"]))
    return {
        "table_id": table_id,
        **{name: first.key[name] for name in ("suite", "n_prompts", "seeds", "negative_prompt", *GEOMETRY)},
        "n_samples": len(samples),
        "categories": sorted(samples.category.unique()),
        "languages": sorted(samples.language.unique()),
        "metric_ids": metric_ids,
        "runs": list(parts),
    }


def row_labels(parts: Mapping[str, Part]) -> dict[str, str]:
    """Run name -> generator name in one short line, with the run's name behind it where that is not the only such."""
    lines = {name: " ".join(part.facts["generator"].split()) for name, part in parts.items()}
    labels = {
        name: line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 1]}…" for name, line in lines.items()
    }
    # Twice, since a generator may be called what the label of another has become.
    for _ in range(2):
        count = Counter(labels.values())
        labels = {name: label if count[label] == 1 else f"{label} ({name})" for name, label in labels.items()}
    return labels


def table_summary(
    table_id: str,
    parts: Mapping[str, ScoredRun],
    cards: Mapping[str, Mapping[str, Any]],
    withdrawn: Collection[str] = (),
) -> pd.DataFrame:
    """One row per run, metric and cut of a table.

    A run that was withdrawn keeps its means and has no rank; nothing about the ranks of the others depends on it.

    Columns: table_id, run, metric_id, cut (`all`, `category` or `language`), group (the category or language, empty for
    `all`), n_planned, n_scored, n_failed, n_refused, coverage, n_units, mean, low, high, method, rank_low, rank_high
    (NaN for metrics in which no direction is better, and of withdrawn runs) and n_ranked (runs with a score, without
    withdrawn ones).

    Args:
        table_id: Of the table.
        parts: Run name -> part.
        cards: metric_id -> card.
        withdrawn: Names of the runs that were taken back.
    """
    frame = pd.DataFrame([row for name, part in parts.items() for row in _aggregates(name, part)])
    if frame.empty:
        return pd.DataFrame(columns=list(SUMMARY_COLUMNS))
    standing = {name: part for name, part in parts.items() if name not in withdrawn}
    tables = [run_values(name, part) for name, part in standing.items()]
    values = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["metric_id"])
    ranks = [
        _ranks(block, cards[metric_id]["direction"]).assign(metric_id=metric_id, cut=cut, group=group)
        for metric_id in values.metric_id.unique()
        for cut, group, block in cuts(values.loc[values.metric_id == metric_id])
    ]
    keys = ["run", "metric_id", "cut", "group"]
    ranked = pd.concat(ranks, ignore_index=True) if ranks else pd.DataFrame(columns=[*keys, "rank_low", "rank_high"])
    merged = frame.merge(ranked, how="left", on=keys, validate="1:1")
    counted = merged.n_units.where(~merged.run.isin(list(withdrawn)), 0)
    groups = [merged[name] for name in ("metric_id", "cut", "group")]
    merged["n_ranked"] = counted.groupby(groups).transform(lambda n: int((n > 0).sum()))
    return merged.assign(table_id=table_id).loc[:, list(SUMMARY_COLUMNS)]


def _aggregates(name: str, part: ScoredRun) -> Iterator[dict[str, Any]]:
    for row in part.summary["metrics"]:
        identity = {"run": name, "metric_id": row["metric_id"]}
        yield {**identity, "cut": ALL, "group": "", **_numbers(row)}
        for cut, block in CUTS.items():
            for group, numbers in row[block].items():
                yield {**identity, "cut": cut, "group": group, **_numbers(numbers)}


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.nan if row[name] is None else row[name] for name in AGGREGATES}


def run_values(name: str, part: ScoredRun) -> pd.DataFrame:
    """The run's good scores with the unit, category and language they count in.

    Columns: unit, metric_id, category, language, value, run. A large table has tens of millions of these rows, so what
    repeats is categorical; runs with equal categories keep them when they are put together.
    """
    samples, scores = part.samples(), part.scores()
    made = samples.loc[samples.outcome == "ok", ["prompt_id", "seed", "unit", "category", "language"]]
    good = scores.loc[scores.status == "ok", ["prompt_id", "seed", "metric_id", "value"]]
    values = good.merge(made, on=["prompt_id", "seed"])
    repeated = {column: values[column].astype("category") for column in ("unit", "metric_id", "category", "language")}
    return pd.DataFrame({**repeated, "value": values["value"], "run": name})


def cuts(values: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """All values, then those of each category and of each language: cut, group, values."""
    yield ALL, "", values
    for cut in CUTS:
        for group, block in values.groupby(cut):
            yield cut, str(group), block


def _ranks(values: pd.DataFrame, direction: str) -> pd.DataFrame:
    run_names = list(values.run.unique())
    if direction == "neutral":
        low = high = np.full(len(run_names), np.nan)
    else:
        matrix = values.groupby(["unit", "run"]).value.mean().unstack("run")[run_names]
        low, high = rank_intervals(matrix.to_numpy(), higher_is_better=direction == "higher")
    return pd.DataFrame({"run": run_names, "rank_low": low, "rank_high": high})
