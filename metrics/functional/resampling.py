"""What a distance between two sets is worth: what real against real costs, and how far another draw would lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from metrics.errors import UndefinedScoreError
from metrics.functional.features import check_same_dimensions, float64_array

Distance = Callable[[Any, Any], Any]
"""Two sets of features, one row per clip, to one number."""


class Floor(NamedTuple):
    """The distance of real clips from other real clips.

    Attributes:
        value: Mean over the splits.
        n: Clips on each side; distances are comparable at equal n only.
    """

    value: float
    n: int


class Interval(NamedTuple):
    """Where the value would lie with other clips of the same kind."""

    low: float
    high: float

    def within(self, bounds: Sequence[float | None]) -> Interval:
        """The part that lies inside a metric's range, None for an open end."""
        least, most = (open_end if end is None else end for end, open_end in zip(bounds, (-inf, inf), strict=True))
        return Interval(max(self.low, least), min(self.high, most))


def real_against_real(
    distance: Distance,
    reference: Float[np.ndarray, "m d"],
    *,
    n: int,
    rng: np.random.Generator,
    splits: int = 4,
) -> Floor:
    """The distance between two disjoint parts of the reference, mean over random splits.

    A set of generated clips at this distance is as close to the reference as real clips are.

    Args:
        distance: The metric.
        reference: One row per clip.
        n: Clips wanted on each side: as many as the value had. Half of the reference is the most there can be.
        rng: Source of the splits.
        splits: How many are averaged.

    Raises:
        UndefinedScoreError: The reference has fewer than 4 clips, or `splits` is below 1.
    """
    rows = float64_array(reference)
    size = min(n, len(rows) // 2)
    if size < 2:
        raise UndefinedScoreError(f"real against real needs at least 4 reference clips, got {len(rows)} (n = {n})")
    if splits < 1:
        raise UndefinedScoreError(f"splits must be at least 1, got {splits}")
    values = []
    for _ in range(splits):
        order = rng.permutation(len(rows))
        values.append(float(distance(rows[order[:size]], rows[order[size : 2 * size]])))
    return Floor(float(np.mean(values)), size)


def bootstrap_interval(
    distance: Distance,
    features: Float[np.ndarray, "n d"],
    reference: Float[np.ndarray, "m d"],
    *,
    rng: np.random.Generator,
    units: Any = None,
    reference_units: Any = None,
    draws: int = 200,
    level: float = 0.95,
) -> Interval:
    """Interval of a distance by resampling clips, or prompts, of the generated side or of both sides together.

    Where both sides show the same prompts, or pairs, they must be drawn together: what a prompt is about moves both.
    Otherwise the reference stays as it is.

    A resample repeats clips, which raises most distances by far more than they vary. What the resamples have on
    average above the value is therefore taken out: the interval is value + quantiles of (resamples - their mean). It
    describes the value at this n, with the bias that this n has.

    Args:
        distance: The metric.
        features: One row per clip.
        reference: One row per clip.
        rng: Source of the resamples.
        units: What is drawn as one, such as the prompt of each clip, shape (n,); None draws single clips.
        reference_units: The units of the reference's clips, shape (m,). Those that both sides have are drawn together,
            others stay as they are; None leaves all of the reference as it is.
        draws: Number of resamples.
        level: Coverage of the interval, between 0 and 1.

    Raises:
        UndefinedScoreError: Fewer than two units, too few draws, an impossible level, or shapes that do not fit.
    """
    x, y = float64_array(features), float64_array(reference)
    check_same_dimensions(x.shape[1], y.shape[1])
    if draws < 2 or not 0 < level < 1:
        raise UndefinedScoreError(f"draws must be at least 2 and level between 0 and 1, got {draws} and {level}")
    members = _members(len(x), np.arange(len(x)) if units is None else units)
    with_them = None if reference_units is None else _members(len(y), reference_units)
    alone = [] if with_them is None else [unit for unit in members if unit not in with_them]
    if alone:
        raise UndefinedScoreError(f"the reference has no clip of {len(alone)} units, the first is {alone[0]!r}")
    if len(members) < 2:
        raise UndefinedScoreError(f"an interval needs at least 2 units to draw from, got {len(members)}")
    value, names = float(distance(x, y)), list(members)
    staying = [rows for unit, rows in (with_them or {}).items() if unit not in members]
    resampled = np.empty(draws)
    for draw in range(draws):
        drawn = [names[place] for place in rng.integers(len(names), size=len(names))]
        rows = np.concatenate([members[unit] for unit in drawn])
        other = y if with_them is None else y[np.concatenate([*staying, *(with_them[unit] for unit in drawn)])]
        resampled[draw] = float(distance(x[rows], other))
    low, high = value + np.quantile(resampled - resampled.mean(), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _members(clips: int, units: Any) -> dict[Any, np.ndarray]:
    """Unit -> the places of its clips."""
    labels = np.asarray(units)
    if labels.shape != (clips,):
        raise UndefinedScoreError(f"every clip needs one unit: {clips} clips, units of shape {labels.shape}")
    return {unit: np.flatnonzero(labels == unit) for unit in dict.fromkeys(labels.tolist())}
