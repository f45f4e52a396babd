"""Means, intervals, coverage and rank intervals of every run, metric and group, from the rows of the runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stepbench.board.tables import table_summary
from stepbench.reporting.model import MetricRow, SetValue
from stepbench.runs.folder import RunFolder
from stepbench.runs.summary import summarize

if TYPE_CHECKING:
    import pandas as pd

    from stepbench.runs.run import Run

_COUNTS = ("n_units", "n_planned", "n_scored", "n_failed", "n_refused", "n_ranked")
_NUMBERS = ("mean", "low", "high", "rank_low", "rank_high")


@dataclass(frozen=True)
class LiveRun:
    """A run whose aggregates are computed from its rows as they are now, finished or not."""

    run: Run
    metric_ids: frozenset[str]
    summary: Mapping[str, Any]

    @classmethod
    def of(cls, run: Run, metric_ids: Iterable[str]) -> LiveRun:
        """The run with the aggregates of these metrics."""
        files, wanted = RunFolder(run.folder), frozenset(metric_ids)
        scores = {key: files.read_scores(key) for key in run.metric_cards if key in wanted}
        plan = [(key, prompt) for key, prompt, _ in run.planned]
        return cls(run, wanted, summarize(plan, files.read_samples(), scores, run.metric_cards))

    def samples(self) -> pd.DataFrame:
        """The planned samples with the unit of inference: translations of one prompt are one."""
        frame = self.run.samples()
        return frame.assign(unit=frame.pair_id.where(frame.pair_id.notna(), frame.prompt_id))

    def scores(self) -> pd.DataFrame:
        """One row per sample and metric that was tried."""
        frame = self.run.scores()
        return frame.loc[frame.metric_id.isin(self.metric_ids)]


def metric_rows(
    runs: Mapping[str, Run], labels: Mapping[str, str], cards: Mapping[str, Mapping[str, Any]], ranked: Iterable[str]
) -> tuple[MetricRow, ...]:
    """One row per metric, run and group; only the runs in `ranked`, which are comparable, take part in the ranks.

    Args:
        runs: Name -> run, in the order of the tables.
        labels: Name -> the run as people read it.
        cards: metric id -> card of the metrics wanted, in the order of the tables.
        ranked: Names.
    """
    together = set(ranked)
    blocks = [[name for name in runs if name in together], *([name] for name in runs if name not in together)]
    rows: list[MetricRow] = []
    for block in blocks:
        live = {name: LiveRun.of(runs[name], cards) for name in block}
        frame = table_summary("", live, cards)
        if len(block) == 1:
            frame = frame.assign(rank_low=math.nan, rank_high=math.nan)
        rows += [_row(row, labels, cards) for row in frame.to_dict(orient="records")]
    order = {metric_id: place for place, metric_id in enumerate(cards)}
    names = {name: place for place, name in enumerate(runs)}
    cuts = {"all": 0, "category": 1, "language": 2}
    return tuple(sorted(rows, key=lambda row: (order[row.metric_id], cuts[row.cut], row.group, names[row.run])))


def _row(row: Mapping[Any, Any], labels: Mapping[str, str], cards: Mapping[str, Mapping[str, Any]]) -> MetricRow:
    card = cards[row["metric_id"]]
    fields: dict[str, Any] = {name: row[name] for name in ("run", "metric_id", "cut", "group", "method")}
    fields |= {"metric": card["name"], "unit": card["unit"], "direction": card["direction"]}
    fields |= {name: int(row[name]) for name in _COUNTS}
    fields |= {name: present(row[name]) for name in _NUMBERS}
    return MetricRow(label=labels[row["run"]], coverage=float(row["coverage"]), **fields)


def set_values(name: str, run: Run, label: str, metric_ids: Iterable[str]) -> list[SetValue]:
    """The set metrics of one run, with floor, counts and caution."""
    wanted = set(metric_ids)
    values = []
    for row in run.set_scores().to_dict(orient="records"):
        if row["metric_id"] not in wanted:
            continue
        fields: dict[str, Any] = {field: row[field] for field in ("metric_id", "metric")}
        fields |= {field: present(row[field]) for field in ("value", "low", "high", "floor")}
        fields |= {field: int(present(row[field]) or 0) for field in ("n", "n_reference", "floor_n")}
        fields |= {field: _text(row[field]) for field in ("method", "caution", "error")}
        direction = run.metric_cards[row["metric_id"]]["direction"]
        values.append(SetValue(run=name, label=label, direction=direction, **fields))
    return values


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def present(value: Any) -> float | None:
    """A finite number as a float; None for anything that is missing."""
    if value is None or not math.isfinite(value):
        return None
    return float(value)
