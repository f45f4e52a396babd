"""Aggregates of a run: a pure function of its rows, so anybody can compute them again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stepbench.records import Prompt
from stepbench.stats.intervals import mean_interval

Rows = Mapping[str, Mapping[str, Any]]
"""sample_key -> row."""


def summarize(
    plan: Sequence[tuple[str, Prompt]], made: Rows, scores: Mapping[str, Rows], cards: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Coverage, mean and interval of every metric, in all and by category and language.

    The denominator is always the plan. Seeds are averaged within a prompt, translations of one another (`pair_id`)
    count as one unit, and the interval is a t interval over units.

    Args:
        plan: (sample_key, prompt) of every planned sample, in plan order.
        made: Sample rows.
        scores: metric_id -> score rows.
        cards: metric_id -> metric card.
    """
    outcomes = [made[key]["outcome"] if key in made else "missing" for key, _ in plan]
    return {
        "schema": 1,
        "samples": {"planned": len(plan)}
        | {name: outcomes.count(name) for name in ("ok", "failed", "refused", "missing")},
        "metrics": [
            {
                "metric": cards[metric_id]["name"],
                "metric_id": metric_id,
                "direction": cards[metric_id]["direction"],
                "unit": cards[metric_id]["unit"],
                **_aggregate(plan, made, rows),
                "by_category": _grouped(plan, made, rows, lambda prompt: prompt.category),
                "by_language": _grouped(plan, made, rows, lambda prompt: prompt.language),
            }
            for metric_id, rows in scores.items()
        ],
    }


def _grouped(
    plan: Sequence[tuple[str, Prompt]], made: Rows, rows: Rows, group_of: Callable[[Prompt], str]
) -> dict[str, Any]:
    groups: dict[str, list[tuple[str, Prompt]]] = {}
    for key, prompt in plan:
        groups.setdefault(group_of(prompt), []).append((key, prompt))
    return {name: _aggregate(part, made, rows) for name, part in sorted(groups.items())}


def _aggregate(plan: Sequence[tuple[str, Prompt]], made: Rows, rows: Rows) -> dict[str, Any]:
    scored = [(rows[key]["value"], prompt.pair_id or prompt.id) for key, prompt in plan if _is_valid(key, made, rows)]
    refused = sum(key in made and made[key]["outcome"] == "refused" for key, _ in plan)
    estimate = mean_interval([value for value, _ in scored], [unit for _, unit in scored])
    return {
        "n_planned": len(plan),
        "n_scored": len(scored),
        "n_failed": len(plan) - len(scored) - refused,
        "n_refused": refused,
        "coverage": len(scored) / len(plan),
        "n_units": estimate.n_clusters,
        "mean": _number(estimate.estimate),
        "low": _number(estimate.low),
        "high": _number(estimate.high),
        "method": estimate.method,
    }


def _is_valid(key: str, made: Rows, rows: Rows) -> bool:
    """Whether a good score stands for the clip that stands now."""
    row = rows.get(key)
    return (
        row is not None
        and row["status"] == "ok"
        and key in made
        and made[key]["outcome"] == "ok"
        and made[key]["clip_sha256"] == row["clip_sha256"]
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
