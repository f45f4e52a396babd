"""The costs of a run in numbers that a plan can be made with: means with intervals, clips per hour, price per clip."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stepbench.costs.clip_costs import clip_costs, is_imported, machine_of, measures_of
from stepbench.costs.measures import JOULES, SECONDS, cost_card
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.stats.intervals import mean_interval

if TYPE_CHECKING:
    import pandas as pd

    from stepbench.runs.run import Run

DRAWS = 4000


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """Which clips somebody would use.

    Attributes:
        accepted: Sample keys.
        waiting: How many samples nobody has decided yet.
        by: Who decided, for readers: `review with policy default`, `votes of votes.csv`.
    """

    accepted: Collection[str]
    waiting: int
    by: str


def summarize_costs(
    run: Run, *, price_per_hour: float | None = None, acceptance: Acceptance | None = None, seed: int = 0
) -> dict[str, Any]:
    """One record about one run.

    Keys: run, generator, clips (outcome -> count), machine (None where several or none is recorded), workers, measures
    (name, mean, low, high, unit, n clips, n_units prompts, and max for memory), `clips_per_hour`, and where asked for
    `price_per_clip` and `accepted`: each a mean or ratio with low and high. Intervals are at 95 % over prompts.

    Args:
        price_per_hour: Of the machine with all its workers, in any currency.
        acceptance: Which clips count as accepted. The time of all others, failed ones included, is paid for them.
        seed: Of the bootstrap behind the cost per accepted clip.

    Raises:
        UsageError: A price below 0.
        NothingSelectedError: No clip of the run has a cost.
    """
    if price_per_hour is not None and not (math.isfinite(price_per_hour) and price_per_hour >= 0):
        raise UsageError(f"a price per hour must be 0 or more, got {price_per_hour:g}", hint="for example 2.5")
    # Two prompts with the same text are one clip, and paid once.
    costs = clip_costs(run).drop_duplicates("sample_key")
    if costs[SECONDS].dropna().empty:
        raise NothingSelectedError(
            f"no clip of {run.folder} has a cost",
            hint="its clips were made elsewhere and imported" if is_imported(run) else "no clip was made",
        )
    machine = machine_of(run)
    workers = machine["workers"] if machine else 1
    measures = [_measure(costs, name) for name in measures_of(costs)]
    seconds = measures[0]
    # The faster end of seconds is the better end of clips per hour.
    per_hour = {
        "mean": 3600 * workers / seconds["mean"],
        "low": _inverse(3600 * workers, seconds["high"]),
        "high": _inverse(3600 * workers, seconds["low"]),
    }
    outcomes = costs["outcome"].fillna("missing").value_counts()
    record: dict[str, Any] = {
        "run": str(run.folder),
        "generator": run.generator_name,
        "clips": {str(name): int(count) for name, count in outcomes.items()},
        "machine": machine,
        "workers": workers,
        "measures": measures,
        "clips_per_hour": per_hour,
    }
    price = None if price_per_hour is None else price_per_hour / 3600 / workers
    if price is not None:
        record["price_per_hour"] = price_per_hour
        record["price_per_clip"] = {name: _times(seconds[name], price) for name in ("mean", "low", "high")}
    if acceptance is not None:
        record["accepted"] = _accepted(costs, acceptance, price, workers, np.random.default_rng(seed))
    return record


def _measure(costs: pd.DataFrame, name: str) -> dict[str, Any]:
    known: Any = costs.dropna(subset=name)
    estimate = mean_interval(known[name], known["unit"].tolist())
    card = cost_card(name)
    return {
        "measure": name,
        "mean": _number(estimate.estimate),
        "low": _number(estimate.low),
        "high": _number(estimate.high),
        "max": float(known[name].max()),
        "unit": card.unit,
        "n": len(known),
        "n_units": estimate.n_clusters,
        "from": sorted(known["joules_from"].dropna().unique()) if name == JOULES else [],
    }


def _accepted(
    costs: pd.DataFrame, acceptance: Acceptance, price: float | None, workers: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Share of accepted clips among the planned, and what one of them costs; a prompt bootstrap of the ratio."""
    frame: Any = costs.assign(
        accepted=costs["sample_key"].isin(list(acceptance.accepted)), spent=costs["spent_seconds"].fillna(0)
    )
    totals = frame.groupby("unit", sort=False).agg(
        n=("accepted", "size"), accepted=("accepted", "sum"), spent=("spent", "sum")
    )
    n, accepted, spent = (totals[name].to_numpy(float) for name in ("n", "accepted", "spent"))
    counts = rng.multinomial(len(totals), np.full(len(totals), 1 / len(totals)), size=DRAWS)
    drawn = counts @ accepted
    # A draw without an accepted clip says: as dear as you like.
    cost_draws = np.divide(counts @ spent, drawn, out=np.full(DRAWS, np.inf), where=drawn > 0)
    share = _ratio(accepted.sum(), n.sum(), drawn / (counts @ n), len(totals))
    seconds = _ratio(spent.sum(), accepted.sum(), cost_draws, len(totals))
    return {
        "by": acceptance.by,
        "accepted": int(accepted.sum()),
        "planned": len(frame),
        "waiting": acceptance.waiting,
        "share": share,
        "seconds_per_accepted_clip": seconds,
        "accepted_clips_per_hour": _ratio(3600 * workers * accepted.sum(), spent.sum(), None, len(totals)),
        "price_per_accepted_clip": None
        if price is None
        else {name: _times(value, price) for name, value in seconds.items()},
    }


def _ratio(above: float, below: float, draws: np.ndarray | None, units: int) -> dict[str, float | None]:
    """A ratio, None where there is nothing below; the interval's end is None where it is open or not known."""
    low, high = (None, None)
    if draws is not None and units > 1:
        # `inverted_cdf` picks draws and never averages with infinity.
        low, high = (_number(float(end)) for end in np.quantile(draws, [0.025, 0.975], method="inverted_cdf"))
    return {"mean": above / below if below else None, "low": low, "high": high}


def _inverse(above: float, below: float | None) -> float | None:
    return above / below if below is not None and below > 0 else None


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
