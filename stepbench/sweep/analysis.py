"""Quality against seconds over the points of a sweep: intervals, the Pareto set, and what cannot be told from the best.

Everything is paired: all points are seen on the prompts and seeds that every one of them has, with the prompt as the
unit (translations of one prompt are one).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stepbench.costs.clip_costs import clip_costs, machine_of
from stepbench.costs.measures import SECONDS
from stepbench.stats.intervals import mean_interval
from stepbench.stats.multiplicity import holm
from stepbench.stats.paired import paired_difference

if TYPE_CHECKING:
    from stepbench.runs.run import Run

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class MetricSweep:
    """The points of a sweep by one metric.

    Attributes:
        n: Units (prompts) that every point has.
        rows: One per point, in the sweep's order: point, run, coverage (scored over planned), quality and seconds (each
            mean, low, high), pareto (not dominated as measured), pareto_probability (share of prompt resamples in which
            it is not dominated; None with one prompt), and against the best point difference (mean, low, high; this
            point minus the best), p_adjusted (Holm over the others) and verdict: `best`, `not separable`, `worse`.
    """

    metric: str
    metric_id: str
    direction: str
    unit: str
    n: int
    rows: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """As it stands in `sweep.json`."""
        names = ("metric", "metric_id", "direction", "unit", "n")
        return {**{name: getattr(self, name) for name in names}, "points": list(self.rows)}


def analyse(points: Sequence[tuple[str, Run]], *, seed: int = 0) -> tuple[list[MetricSweep], list[str]]:
    """Analyse every metric that all points share and in which one direction is better.

    Returns:
        The analyses, and in words what is left out or to be minded.
    """
    if not points:
        return [], ["no point has a run"]
    costs = {label: clip_costs(run) for label, run in points}
    notes = [f"{label}: no clip" for label, frame in costs.items() if frame[SECONDS].dropna().empty]
    points = [(label, run) for label, run in points if not costs[label][SECONDS].dropna().empty]
    if not points:
        return [], notes
    machines = [machine_of(run) for _, run in points]
    if any(machine is None or machine != machines[0] for machine in machines):
        notes.append("the points were not all made on one machine with one number of workers: mind the seconds")
    scores = {label: run.scores() for label, run in points}
    cards = points[0][1].metric_cards
    analyses = []
    for metric_id, card in cards.items():
        if card["direction"] == "neutral":
            notes.append(f"{card['name']}: neither direction is better")
        elif card["level"] == "set":
            notes.append(f"{card['name']}: has no values per prompt; stepbench compare holds two runs together")
        else:
            found = _metric(metric_id, card, points, costs, scores, seed)
            notes += [] if found else [f"{card['name']}: no prompt is scored at every point"]
            analyses += [found] if found else []
    return analyses, notes + _too_few(analyses)


def _too_few(analyses: Sequence[MetricSweep]) -> list[str]:
    """With few prompts no sign-flip p can be small enough for so many comparisons, however clear the difference."""
    told = {}
    for one in analyses:
        comparisons = len(one.rows) - 1
        if comparisons and comparisons * 2.0 ** (1 - one.n) > 1 - LEVEL:
            needed = math.ceil(1 + math.log2(comparisons / (1 - LEVEL)))
            told[one.n] = f"{one.n} prompts cannot separate {len(one.rows)} points; it takes {needed} or more"
    return list(told.values())


def pareto_set(quality: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Which points no other one beats: at most as slow and at least as good, and better in one of the two.

    Args:
        quality: Higher is better, shape (..., points).
        seconds: Lower is better, same shape.

    Returns:
        Booleans of that shape.
    """
    dominated = np.zeros(quality.shape, dtype=bool)
    for place in range(quality.shape[-1]):
        other_quality, other_seconds = quality[..., place, None], seconds[..., place, None]
        no_worse = (other_quality >= quality) & (other_seconds <= seconds)
        dominated |= no_worse & ((other_quality > quality) | (other_seconds < seconds))
    return ~dominated


def _metric(
    metric_id: str,
    card: dict[str, Any],
    points: Sequence[tuple[str, Run]],
    costs: dict[str, pd.DataFrame],
    scores: dict[str, pd.DataFrame],
    seed: int,
) -> MetricSweep | None:
    columns, coverage = [], {}
    for label, _ in points:
        rows = scores[label]
        good = rows.loc[(rows["metric_id"] == metric_id) & (rows["status"] == "ok"), ["prompt_id", "seed", "value"]]
        both = costs[label][["prompt_id", "seed", "unit", SECONDS]].merge(good, on=["prompt_id", "seed"]).dropna()
        coverage[label] = len(both) / len(costs[label])
        columns.append(both.set_index(["prompt_id", "seed", "unit"]).set_axis([f"s {label}", f"q {label}"], axis=1))
    common = pd.concat(columns, axis=1, join="inner")
    if common.empty:
        return None
    units: Any = common.groupby(level="unit", sort=False).mean()
    quality = units[[f"q {label}" for label, _ in points]].to_numpy()
    seconds = units[[f"s {label}" for label, _ in points]].to_numpy()
    sign = 1 if card["direction"] == "higher" else -1
    stream = int.from_bytes(hashlib.sha256(metric_id.encode()).digest()[:8], "big")
    rng = np.random.default_rng([seed, stream])
    front = pareto_set(sign * quality.mean(axis=0), seconds.mean(axis=0))
    probability = _membership(sign * quality, seconds, rng)
    # Of several best ones the fastest.
    best = int(np.lexsort((seconds.mean(axis=0), -sign * quality.mean(axis=0)))[0])
    against = _against_best(quality, best, rng)
    rows = tuple(
        {
            "point": label,
            "run": run.name,
            "coverage": coverage[label],
            "quality": _interval(quality[:, place]),
            "seconds": _interval(seconds[:, place]),
            "pareto": bool(front[place]),
            "pareto_probability": None if probability is None else float(probability[place]),
            **against[place],
        }
        for place, (label, run) in enumerate(points)
    )
    return MetricSweep(
        metric=card["name"],
        metric_id=metric_id,
        direction=card["direction"],
        unit=card["unit"],
        n=len(units),
        rows=rows,
    )


def _membership(quality: np.ndarray, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Share of resamples of the prompts, the same for all points, in which each point is in the Pareto set."""
    n = len(quality)
    if n < 2:
        return None
    weights = rng.multinomial(n, np.full(n, 1 / n), size=DRAWS) / n
    return pareto_set(weights @ quality, weights @ seconds).mean(axis=0)


def _against_best(quality: np.ndarray, best: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    others = [place for place in range(quality.shape[1]) if place != best]
    found = {place: paired_difference(quality[:, best], quality[:, place], rng=rng, level=LEVEL) for place in others}
    adjusted = dict(zip(others, holm([found[place].p for place in others]), strict=True)) if others else {}
    rows = []
    for place in range(quality.shape[1]):
        if place == best:
            rows.append({"difference": None, "p_adjusted": None, "verdict": "best"})
            continue
        one = found[place]
        numbers = {"mean": one.estimate, "low": one.low, "high": one.high}
        rows.append(
            {
                "difference": {name: _number(value) for name, value in numbers.items()},
                "p_adjusted": float(adjusted[place]),
                "verdict": "worse" if adjusted[place] <= 1 - LEVEL else "not separable",
            }
        )
    return rows


def _interval(values: np.ndarray) -> dict[str, float | None]:
    estimate = mean_interval(values, level=LEVEL)
    return {
        name: _number(getattr(estimate, key)) for name, key in (("mean", "estimate"), ("low", "low"), ("high", "high"))
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
