"""Records of a study as tables for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from stepbench.wording import interval, number, rank


def records_of(study: Mapping[str, Any], table: str, dimension: str | None = None) -> list[dict[str, Any]]:
    """The rows of one table of a study, of one dimension where one is named."""
    return [
        row
        for row in study["records"]
        if row["table"] == table and (dimension is None or row["dimension"] == dimension)
    ]


def rating_rows(study: Mapping[str, Any], dimension: str) -> pd.DataFrame:
    """One row per model: label, mean, low, high, rating, interval, rank, votes, acceptable."""
    rows = []
    for row in records_of(study, "models", dimension):
        low, high = _number(row["low"]), _number(row["high"])
        rows.append(
            {
                "label": row["model"],
                "mean": _number(row["rating"]),
                "low": low,
                "high": high,
                "rating": row["problem"] or number(_number(row["rating"]), (high - low) / 2),
                "interval": interval(low, high),
                "rank": rank(row["rank_low"], row["rank_high"]),
                "votes": row["votes"],
                "acceptable": _share(row["acceptable"], row["acceptable_low"], row["acceptable_high"]),
            }
        )
    return pd.DataFrame(rows)


def duel_rows(study: Mapping[str, Any], dimension: str) -> pd.DataFrame:
    """One row per pair of models: model, opponent, record, both_bad, win_rate, prompts, p."""
    return pd.DataFrame(
        [
            {
                "model": row["model"],
                "opponent": row["opponent"],
                "record": _record(row),
                "both_bad": row["both_bad"],
                "win_rate": _share(row["win_rate"], row["low"], row["high"]),
                "prompts": row["prompts"],
                "p": _p(row["p_adjusted"]),
            }
            for row in records_of(study, "head_to_head", dimension)
        ]
    )


def annotator_rows(study: Mapping[str, Any], dimension: str, by_program: str) -> pd.DataFrame:
    """One row per pair of models, annotator and category; `by_program` words the name of a simulated annotator."""
    return pd.DataFrame(
        [
            {
                "annotator": by_program.format(name=row["annotator"]) if row["simulated"] else row["annotator"],
                "model": row["model"],
                "opponent": row["opponent"],
                "category": row["category"],
                "record": _record(row),
                "both_bad": row["both_bad"],
                "p": _p(row["p"]),
            }
            for row in records_of(study, "annotators", dimension)
        ]
    )


def mean_rows(study: Mapping[str, Any]) -> pd.DataFrame:
    """One row per rated dimension and model: dimension, model, mean, interval, n, nearest."""
    rows = []
    for row in records_of(study, "means"):
        low, high = _number(row["low"]), _number(row["high"])
        rows.append(
            {
                "dimension": row["dimension"],
                "model": row["model"],
                "mean": number(_number(row["mean"]), (high - low) / 2),
                "interval": interval(low, high),
                "n": row["n"],
                "nearest": row["nearest_anchor"],
            }
        )
    return pd.DataFrame(rows)


def agreement_rows(study: Mapping[str, Any]) -> pd.DataFrame:
    """One row per dimension, judgement and coefficient: these three, value, interval, items."""
    rows = []
    for row in records_of(study, "agreement"):
        low, high = _number(row["low"]), _number(row["high"])
        rows.append(
            {
                "dimension": row["dimension"],
                "judgement": row["judgement"],
                "coefficient": row["coefficient"],
                "value": number(_number(row["value"]), (high - low) / 2),
                "interval": interval(low, high),
                "items": row["items"],
            }
        )
    return pd.DataFrame(rows)


def metric_rows(study: Mapping[str, Any]) -> pd.DataFrame:
    """One row per dimension and metric: dimension, metric, accuracy, chance, people, n, p, verdict."""
    return pd.DataFrame(
        [
            {
                "dimension": row["dimension"],
                "metric": row["metric"],
                "accuracy": _share(row["accuracy"], row["low"], row["high"]),
                "chance": _share(row["chance"], None, None),
                "people": _share(row["human"], row["human_low"], row["human_high"]),
                "n": row["n"],
                "p": _p(row["p_adjusted"]),
                "verdict": row["verdict"],
            }
            for row in study["metrics"]
        ]
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _share(value: float | None, low: float | None, high: float | None) -> str:
    """A share in per cent with its interval."""
    if value is None:
        return "–"
    ends = "" if low is None or high is None else f" [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * value:.0f}{ends} %"


def _record(row: Mapping[str, Any]) -> str:
    return "-".join(str(row[name]) for name in ("wins", "ties", "losses"))


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "<0.0001" if value < 1e-4 else f"{value:.2g}"
