"""Samples of two runs brought together by prompt and seed, filtered and sorted."""

from __future__ import annotations

import pandas as pd

from leaderboard.data import run_samples, run_scores

_SHARED = ["prompt_id", "seed", "text", "language", "category"]
_OWN = ["outcome", "error", "clip", "no_clip", "frames", "fps", "height", "width"]


def pair_samples(runs: pd.DataFrame, run_a: str, run_b: str) -> pd.DataFrame:
    """One row per prompt and seed of two runs in one table, in the order of the plan.

    Columns: prompt_id, seed, text, language, category; then each with suffix `_a` and `_b`: outcome, error, clip,
    no_clip, frames, fps, height, width, and one per metric id with its value.

    Args:
        runs: As `BoardData.runs`.
        run_a: Name of a run.
        run_b: Name of another, or the same run.
    """
    left, right = (_samples(runs.part[run]) for run in (run_a, run_b))
    right = right.drop(columns=["text", "language", "category"])
    keys = ["prompt_id", "seed"]
    renamed = [
        side.rename(columns={name: f"{name}_{letter}" for name in side.columns if name not in _SHARED})
        for side, letter in ((left, "a"), (right, "b"))
    ]
    return renamed[0].merge(renamed[1], on=keys, how="left", validate="1:1")


def select_pairs(
    pairs: pd.DataFrame,
    *,
    category: str | None = None,
    language: str | None = None,
    text: str = "",
    most_different_in: str | None = None,
) -> pd.DataFrame:
    """The pairs that pass all filters.

    Args:
        text: Words or part of a prompt; upper and lower case are the same, and every word must occur.
        most_different_in: Metric id; pairs come by absolute difference, those without one last. None keeps the order.
    """
    chosen = pd.Series(True, index=pairs.index)
    if category is not None:
        chosen &= pairs.category == category
    if language is not None:
        chosen &= pairs.language == language
    for word in text.casefold().split():
        chosen &= pairs.text.str.casefold().str.contains(word, regex=False)
    pairs = pairs.loc[chosen]
    if most_different_in is None:
        return pairs
    names = [f"{most_different_in}_{letter}" for letter in "ab"]
    if not set(names) <= set(pairs.columns):
        return pairs
    difference = (pairs[names[0]] - pairs[names[1]]).abs()
    return pairs.assign(difference=difference).sort_values(
        "difference", ascending=False, kind="stable", na_position="last"
    )


def ranked_samples(part: str, metric_id: str, direction: str) -> pd.DataFrame:
    """Samples of a run that a metric has scored, best first; columns as `run_samples` and the metric's id."""
    scores = run_scores(part)
    if metric_id not in scores.columns:
        return run_samples(part).head(0)
    scored = run_samples(part).merge(scores[[metric_id]], on=["prompt_id", "seed"]).dropna(subset=[metric_id])
    return scored.sort_values(metric_id, ascending=direction == "lower", kind="stable")


def _samples(part: str) -> pd.DataFrame:
    return run_samples(part)[_SHARED + _OWN].merge(run_scores(part), on=["prompt_id", "seed"], how="left")
