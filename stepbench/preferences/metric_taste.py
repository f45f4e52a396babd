"""Scores of a run's metric as the taste of simulated annotators: they like what the metric likes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences.simulate import scores_as_utilities
from stepbench.preferences.study import Study
from stepbench.runs.run import Run


def metric_utilities(
    study: Study, runs: Sequence[Run], metric: str, *, sharpness: float = 2.0
) -> dict[tuple[str, str], float]:
    """Utility of each clip of the real pairs, from its score.

    Args:
        study: Planned from these runs.
        runs: Scored with the metric.
        metric: Name or id of a metric whose card says that higher or lower is better.
        sharpness: Difference in log-odds between two clips one standard deviation apart.

    Returns:
        (pair id, "1" or "2") -> utility.

    Raises:
        UsageError: The metric was not scored in a run, has no direction, or its ids differ between runs; a sharpness
            that is not finite.
        NothingSelectedError: A pair has no score; names it.
    """
    if not math.isfinite(sharpness):
        raise UsageError(f"sharpness must be finite, got {sharpness}")
    scores = {run.name: _scores(run, metric) for run in runs}
    if len({metric_id for metric_id, _ in scores.values()}) > 1:
        listed = ", ".join(f"{name}: {metric_id}" for name, (metric_id, _) in scores.items())
        raise UsageError(f"metric {metric} has unequal ids, so its scores cannot be compared: {listed}")
    found: dict[tuple[str, str], float] = {}
    for row in study.pairs().to_dict(orient="records"):
        if row["kind"] != "real":
            continue
        for side in ("1", "2"):
            run, key = row[f"run_{side}"], row[f"sample_key_{side}"]
            value = scores[run][1].get(key, math.nan) if run in scores else math.nan
            if math.isnan(value):
                raise NothingSelectedError(
                    f"pair {row['pair_id']} (prompt {row['prompt_id']}): its clip of run {run} has no {metric} score",
                    hint=f"stepbench score RUN -m {metric}, and name every run of the study",
                )
            found[row["pair_id"], side] = value
    return scores_as_utilities(found, sharpness)


def _scores(run: Run, metric: str) -> tuple[str, dict[str, float]]:
    """The metric's id, and sample key -> score, the sign such that higher is better."""
    ids = [key for key, card in run.metric_cards.items() if metric in (key, card["name"])]
    if len(ids) != 1:
        known = ", ".join(sorted(card["name"] for card in run.metric_cards.values())) or "none"
        raise UsageError(
            f"run {run.name} has {'no' if not ids else 'several'} metric {metric!r}",
            hint=f"it was scored with: {known}",
        )
    direction = run.metric_cards[ids[0]]["direction"]
    if direction not in ("higher", "lower"):
        raise UsageError(f"metric {metric} does not say which of two scores is better", hint="choose another metric")
    sign = 1.0 if direction == "higher" else -1.0
    table: Any = run.scores()
    own = table[(table["metric_id"] == ids[0]) & (table["status"] == "ok")]
    return ids[0], {key: sign * float(value) for key, value in zip(own["sample_key"], own["value"], strict=True)}
