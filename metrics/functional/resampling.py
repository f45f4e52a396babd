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
    paired: bool = False,
    draws: int = 200,
    level: float = 0.95,
) -> Interval:
    """Interval of a distance by resampling clips, or prompts, of the generated side; the reference stays as it is.

    A resample repeats clips, which raises most distances by far more than they vary. What the resamples have on
    average above the value is therefore taken out: the interval is value + quantiles of (resamples - their mean). It
    describes the value at this n, with the bias that this n has.

    Args:
        distance: The metric.
        features: One row per clip.
        reference: One row per clip.
        rng: Source of the resamples.
        units: What is drawn as one, such as the prompt of each clip, shape (n,); None draws single clips.
        paired: Row i of the reference belongs to row i of the features and is drawn with it.
        draws: Number of resamples.
        level: Coverage of the interval, between 0 and 1.

    Raises:
        UndefinedScoreError: Fewer than two units, too few draws, an impossible level, or shapes that do not fit.
    """
    x, y = float64_array(features), float64_array(reference)
    check_same_dimensions(x.shape[1], y.shape[1])
    labels = np.arange(len(x)) if units is None else np.asarray(units)
    if labels.shape != (len(x),) or (paired and len(y) != len(x)):
        raise UndefinedScoreError(
            f"every clip needs one unit, and in pairs one reference: {len(x)} clips, units of shape {labels.shape}, "
            f"{len(y)} references"
        )
    if draws < 2 or not 0 < level < 1:
        raise UndefinedScoreError(f"draws must be at least 2 and level between 0 and 1, got {draws} and {level}")
    codes = np.unique(labels, return_inverse=True)[1]
    members = [np.flatnonzero(codes == code) for code in range(codes.max(initial=-1) + 1)]
    if len(members) < 2:
        raise UndefinedScoreError(f"an interval needs at least 2 units to draw from, got {len(members)}")
    value = float(distance(x, y))
    resampled = np.empty(draws)
    for draw in range(draws):
        rows = np.concatenate([members[unit] for unit in rng.integers(len(members), size=len(members))])
        resampled[draw] = float(distance(x[rows], y[rows] if paired else y))
    low, high = value + np.quantile(resampled - resampled.mean(), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
