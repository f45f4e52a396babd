"""The spread of per-prompt differences, on which every number of prompts hangs: of two runs, one, or figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stepbench.comparison import compare
from stepbench.errors import NothingSelectedError
from stepbench.stats.checks import StatisticsError

if TYPE_CHECKING:
    import pandas as pd

    from stepbench.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The spread of one metric's per-prompt differences, and where it is known from.

    Attributes:
        metric: Name; empty where the spread was given as a number.
        unit: Of the values.
        deviation: Standard deviation of the differences, seeds averaged; NaN where it cannot be said.
        n: Prompts that there are; 0 where none were counted.
        clips: Per prompt: seeds, and translations of it, which count as one prompt.
        mean: Mean of the metric, which a relative margin refers to; NaN where unknown.
        source: Where the spread comes from, in words.
    """

    metric: str
    unit: str
    deviation: float
    n: int
    clips: float
    mean: float
    source: str


def paired_deviation(deviation: float, icc: float, seeds: int = 1) -> float:
    """Spread of the differences between two models, from the spread of single scores.

    Two clips of one prompt share `icc` of the variance, whichever model made them; the rest is noise that seeds average
    out: deviation x sqrt(2 (1 - icc) / seeds).

    Args:
        deviation: Standard deviation of single scores over all prompts and seeds.
        icc: Share of the variance that lies between prompts, in [0, 1).
        seeds: Clips per prompt and model.

    Raises:
        StatisticsError: For a value out of range.
    """
    if not 0 <= icc < 1:
        raise StatisticsError(f"icc must lie in [0, 1), got {icc}", hint="it is the share of variance between prompts")
    if seeds < 1:
        raise StatisticsError(f"seeds must be at least 1, got {seeds}")
    if not (deviation >= 0 and math.isfinite(deviation)):
        raise StatisticsError(f"the standard deviation must be finite and not negative, got {deviation}")
    return deviation * math.sqrt(2 * (1 - icc) / seeds)


def given_spread(deviation: float, *, icc: float | None = None, seeds: int = 1, prompts: int = 0) -> Spread:
    """A spread from figures: of differences, or with `icc` of single scores (see `paired_deviation`).

    Raises:
        StatisticsError: For a value out of range.
    """
    source = "given" if icc is None else f"given for single scores, icc {icc:g}, {seeds} per prompt"
    return Spread(
        metric="",
        unit="",
        deviation=deviation if icc is None else paired_deviation(deviation, icc, seeds),
        n=prompts,
        clips=seeds,
        mean=math.nan,
        source=source,
    )


def spreads_of_pair(baseline: Run, other: Run, metrics: Sequence[str] | None = None) -> list[Spread]:
    """The spread of the measured differences between two runs, per metric; set metrics by their bootstrap.

    Raises:
        NotComparableError: When the runs may not be compared.
        NothingSelectedError: When there is nothing scored in both.
    """
    rows = compare(baseline, other, metrics=metrics).table().to_dict("records")
    clips = _clips_per_prompt(baseline)
    return [
        Spread(
            metric=row["metric"],
            unit=row["unit"],
            deviation=row["standard_error"] * math.sqrt(row["n"]),
            n=row["n"],
            clips=clips,
            mean=row["mean_a"],
            source=f"differences between {baseline.name} and {other.name}",
        )
        for row in rows
    ]


def spreads_of_run(run: Run, metrics: Sequence[str] | None = None) -> list[Spread]:
    """What one run alone says about the spread of differences: less than a pair does, and `source` says what.

    With several seeds per prompt: two models that differ in noise alone. With one: the spread over prompts times the
    root of two, an upper bound, which pairing undercuts the more, the more the prompt decides the score.

    Raises:
        NothingSelectedError: When the run has no such scores.
    """
    scores = run.scores()
    scores = scores.loc[scores["status"] == "ok"]
    if metrics is not None:
        scores = scores.loc[scores["metric"].isin(list(metrics)) | scores["metric_id"].isin(list(metrics))]
    if scores.empty:
        known = sorted(set(run.scores()["metric"]))
        raise NothingSelectedError(
            f"run {run.name} has no scores per clip{' of ' + ', '.join(metrics) if metrics else ''}",
            hint=f"scored: {', '.join(known) or 'nothing'}; of a set metric give two runs",
        )
    return [_spread_of(run, str(metric_id), block) for metric_id, block in scores.groupby("metric_id", sort=False)]


def _spread_of(run: Run, metric_id: str, scores: pd.DataFrame) -> Spread:
    values, prompts = scores["value"].to_numpy(), scores["prompt_id"].to_numpy()
    units = scores["pair_id"].where(scores["pair_id"].notna(), scores["prompt_id"]).to_numpy()
    means = np.array([values[units == unit].mean() for unit in dict.fromkeys(units)])
    within = np.concatenate([values[prompts == prompt] - values[prompts == prompt].mean() for prompt in set(prompts)])
    freedom = len(values) - len(set(prompts))
    clips = _clips_per_prompt(run)
    if freedom > 0:
        deviation = math.sqrt(2 * float(np.sum(within**2)) / freedom / clips)
        source = f"seeds within prompts of {run.name}: models that differ in noise alone"
    elif len(means) > 1:
        deviation = math.sqrt(2) * float(np.std(means, ddof=1))
        source = f"prompts of {run.name}, one seed: an upper bound, pairing needs fewer"
    else:
        deviation, source = float("nan"), "one prompt and one seed tell nothing"
    card = run.metric_cards[metric_id]
    return Spread(
        metric=card["name"],
        unit=card["unit"],
        deviation=deviation,
        n=len(means),
        clips=clips,
        mean=float(np.mean(means)),
        source=source,
    )


def seconds_per_clip(run: Run) -> float | None:
    """Mean seconds that a made clip of the run took, or None without one."""
    seconds = run.samples()["seconds_total"].dropna().tolist()
    return float(np.mean(seconds)) if seconds else None


def _clips_per_prompt(run: Run) -> float:
    samples = run.samples()
    units = samples["pair_id"].where(samples["pair_id"].notna(), samples["prompt_id"])
    return len(samples) / len(set(units))
