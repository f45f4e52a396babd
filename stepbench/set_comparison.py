"""Two runs by a metric of whole sets: over the samples that both have, prompts resampled for both alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from stepbench.errors import StepbenchError
from stepbench.runs.folder import RunFolder
from stepbench.runs.score_sets import SetSides, distance_of, read_sides
from stepbench.runs.set_members import set_members
from stepbench.stats.power import detectable_effect
from stepbench.stats.set_metrics import set_metric_difference

if TYPE_CHECKING:
    from stepbench.runs.run import Run

MANY_NUMBERS = 100_000
"""Features beyond which a distance takes long enough to be content with fewer resamples."""

TOO_MANY_NUMBERS = 2_000_000
"""Features beyond which Fréchet distances are resampled in their leading dimensions."""


class NotCompared(Exception):
    """There is no row for this metric; the message says why."""


def compare_sets(run_a: Run, run_b: Run, metric_id: str, *, level: float, seed: int) -> dict[str, Any]:
    """One row of a comparison: values at equal n, their difference b - a, its bootstrap interval and permutation p.

    Args:
        metric_id: Of a set metric that both runs were scored with.

    Raises:
        NotCompared: Features are missing, or there are too few clips.
    """
    card = run_a.metric_cards[metric_id]
    places_a, places_b = _places(run_a, metric_id), _places(run_b, metric_id)
    common = [place for place in places_a if place in places_b]
    if len(common) < 2:
        raise NotCompared(f"{len(common)} samples are in the sets of both runs, and a set needs at least 2")
    sides = []
    for run, places in ((run_a, places_a), (run_b, places_b)):
        folder = RunFolder(run.folder)
        members = [places[place] for place in common]
        found = read_sides(folder, run.planned, folder.read_samples(), members, metric_id, card)
        if found is None:
            command = f"stepbench score {run.folder} -m {card['name']} --reference RUN"
            raise NotCompared(f"the features of {run.name} or of its reference are not in its folder: {command}")
        sides.append(found)
    a, b = sides
    draws = 1000 if a.features.size + a.reference.size <= MANY_NUMBERS else 200
    stream = hashlib.sha256(metric_id.encode()).digest()
    codes = np.unique(a.units, return_inverse=True)[1][:, None]
    distance = distance_of(card)
    drawn, reduced = distance.for_resampling(a.features, b.features, a.reference, at_most=TOO_MANY_NUMBERS)
    try:
        found = set_metric_difference(
            np.hstack([drawn[0], codes]),
            np.hstack([drawn[1], codes]),
            drawn[2],
            _statistic(distance, a),
            rng=np.random.default_rng([seed, int.from_bytes(stream[:8], "big")]),
            clusters=a.units,
            draws=draws,
            permutations=draws,
            level=level,
        )
    except (StepbenchError, ValueError) as error:
        raise NotCompared(str(error)) from error
    k = found.n_clusters
    value_a, value_b, difference = found.value_a, found.value_b, found.estimate
    if reduced:
        value_a, value_b = (distance(side.features, a.reference) for side in (a, b))
        difference = value_b - value_a
    return {
        "n": k,
        "mean_a": value_a,
        "mean_b": value_b,
        "difference": difference,
        "low": found.low + (difference - found.estimate),
        "high": found.high + (difference - found.estimate),
        "p": found.p,
        "detectable_effect": detectable_effect(found.standard_error * k**0.5, k) if k > 1 else float("nan"),
        "standard_error": found.standard_error,
        "coverage_a": len(places_a) / len(run_a.planned),
        "coverage_b": len(places_b) / len(run_b.planned),
        **({"method": f"{draws} draws {reduced}"} if reduced else {}),
    }


def _statistic(distance: Any, sides: SetSides) -> Callable[[np.ndarray, np.ndarray], float]:
    """The distance of rows whose last column is the number of their prompt, from the reference.

    Where the reference shows the same prompts, a prompt that was drawn twice is there twice on that side too.
    """
    if not sides.share_prompts:
        return lambda rows, reference: distance(rows[:, :-1], reference)
    prompts, sizes = np.unique(sides.units, return_counts=True)
    theirs = np.asarray(sides.reference_units)
    places = [np.flatnonzero(theirs == prompt) for prompt in prompts]
    staying = np.flatnonzero(~np.isin(theirs, prompts))

    def statistic(rows: np.ndarray, reference: np.ndarray) -> float:
        times = np.bincount(rows[:, -1].astype(int), minlength=len(prompts)) // sizes
        drawn = [np.tile(own, count) for own, count in zip(places, times, strict=True)]
        return distance(rows[:, :-1], reference[np.concatenate([staying, *drawn])])

    return statistic


def _places(run: Run, metric_id: str) -> dict[tuple[str, int], str]:
    """(prompt id, seed) -> sample_key of every clip in the run's set, in plan order; each clip once."""
    folder = RunFolder(run.folder)
    made, scores = folder.read_samples(), folder.read_scores(metric_id)
    wanted = set(set_members([key for key, _, _ in run.planned], made, scores))
    first: Mapping[str, tuple[str, int]] = {key: (prompt.id, seed) for key, prompt, seed in reversed(run.planned)}
    return {place: key for key, place in reversed(first.items()) if key in wanted}
