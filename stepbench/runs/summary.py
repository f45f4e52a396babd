"""Aggregates of a run: a pure function of its rows, so anybody can compute them again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stepbench.records import Prompt
from stepbench.runs.set_members import Rows, set_key, set_members
from stepbench.stats.intervals import mean_interval


def summarize(
    plan: Sequence[tuple[str, Prompt]], made: Rows, scores: Mapping[str, Rows], cards: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Coverage, mean and interval of every metric, in all and by category and language.

    The denominator is always the plan. Seeds are averaged within a prompt, translations of one another (`pair_id`)
    count as one unit, and the interval is a t interval over units. A set metric has one value for all clips together:
    it stands in `mean`, its bootstrap interval beside it, and there are no groups.

    Args:
        plan: (sample_key, prompt) of every planned sample, in plan order.
        made: Sample rows.
        scores: metric_id -> score rows.
        cards: metric_id -> metric card.
    """
    outcomes = [made[key]["outcome"] if key in made else "missing" for key, _ in plan]
    units = [prompt.pair_id or prompt.id for _, prompt in plan]
    groupings = {
        "by_category": _places([prompt.category for _, prompt in plan]),
        "by_language": _places([prompt.language for _, prompt in plan]),
    }
    metrics = []
    for metric_id, rows in scores.items():
        card = cards[metric_id]
        identity = {
            "metric": card["name"],
            "metric_id": metric_id,
            "direction": card["direction"],
            "unit": card["unit"],
        }
        if card.get("level") == "set":
            of_set = _set_value([key for key, _ in plan], made, rows, outcomes)
            metrics.append({**identity, **of_set, "by_category": {}, "by_language": {}})
            continue
        values = [_value(key, made, rows) for key, _ in plan]
        metrics.append(
            {
                **identity,
                **_aggregate(range(len(plan)), values, units, outcomes),
                **{
                    grouping: {
                        name: _aggregate(places, values, units, outcomes) for name, places in sorted(groups.items())
                    }
                    for grouping, groups in groupings.items()
                },
            }
        )
    counts = {name: outcomes.count(name) for name in ("ok", "failed", "refused", "missing")}
    return {"schema": 1, "samples": {"planned": len(plan)} | counts, "metrics": metrics}


def _set_value(keys: Sequence[str], made: Rows, rows: Rows, outcomes: Sequence[str]) -> dict[str, Any]:
    """Counts of a set metric, and its value with the interval that its row gives; nothing from a row of another set."""
    members = set_members(keys, made, rows)
    row = rows.get(set_key(members, made), {"status": "missing"})
    stands = row["status"] == "ok"
    scored = sum(key in set(members) for key in keys) if stands else 0
    refused = outcomes.count("refused")
    return {
        "n_planned": len(keys),
        "n_scored": scored,
        "n_failed": len(keys) - scored - refused,
        "n_refused": refused,
        "coverage": scored / len(keys),
        "n_units": row["n_units"] if stands else 0,
        "mean": row["value"] if stands else None,
        "low": row["low"] if stands else None,
        "high": row["high"] if stands else None,
        "method": row["method"] if stands else "no values",
    }


def _places(labels: Sequence[str]) -> dict[str, list[int]]:
    """Label -> the places in the plan that bear it."""
    places: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, []).append(place)
    return places


def _value(key: str, made: Rows, rows: Rows) -> float | None:
    """The score of the clip that stands now, None where there is no good one."""
    score, sample = rows.get(key), made.get(key)
    if score is None or sample is None or score["status"] != "ok" or sample["outcome"] != "ok":
        return None
    return score["value"] if sample["clip_sha256"] == score["clip_sha256"] else None


def _aggregate(
    places: Sequence[int], values: Sequence[float | None], units: Sequence[str], outcomes: Sequence[str]
) -> dict[str, Any]:
    """Counts, mean and interval over the samples at some places of the plan."""
    scored = [place for place in places if values[place] is not None]
    refused = sum(outcomes[place] == "refused" for place in places)
    estimate = mean_interval([values[place] for place in scored], [units[place] for place in scored])
    return {
        "n_planned": len(places),
        "n_scored": len(scored),
        "n_failed": len(places) - len(scored) - refused,
        "n_refused": refused,
        "coverage": len(scored) / len(places),
        "n_units": estimate.n_clusters,
        "mean": _number(estimate.estimate),
        "low": _number(estimate.low),
        "high": _number(estimate.high),
        "method": estimate.method,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
