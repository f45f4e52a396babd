"""How the features of two sets of clips become one number: no network, no state; all that cached features need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from metrics.functional.features import float64_array
from metrics.functional.leading import leading_directions

FEW_CLIPS = 256
"""Below so many, a value says little, whatever the metric."""

MANY_DIMENSIONS = 256
"""Spaces of no more are never reduced for resampling."""


@dataclass(frozen=True, kw_only=True)
class SetDistance:
    """A distance between two sets of clips, each given as an array with one row per clip.

    Attributes:
        of_features: Takes (n, d) and (m, d), gives one number.
        rows_per_clip: Features that one row holds side by side and that count as separate points, such as frames.
        blocks: Spaces that one row holds side by side and in which the distance is taken by itself, then averaged.
        paired: Row i of one set belongs to row i of the other.
        needs_rank: The distance rests on covariances, which fewer points than dimensions cannot give.
    """

    of_features: Callable[[Any, Any], Any]
    rows_per_clip: int = 1
    blocks: int = 1
    paired: bool = False
    needs_rank: bool = True

    def __call__(self, features: Any, reference: Any) -> float:
        """The distance of `features` (n, width) from `reference` (m, width).

        Raises:
            FeatureError: As `of_features`.
        """
        sides = [self._spaces(float64_array(rows)) for rows in (features, reference)]
        return float(np.mean([float(self.of_features(x, y)) for x, y in zip(*sides, strict=True)]))

    def caution(self, n: int, n_reference: int, width: int) -> str:
        """Why a value at these sizes should not be trusted far; empty where nothing speaks against it."""
        few, dimensions = min(n, n_reference), width // (self.rows_per_clip * self.blocks)
        reasons = [f"fewer than {FEW_CLIPS} clips"] if few < FEW_CLIPS else []
        if self.needs_rank and few * self.rows_per_clip <= dimensions:
            points = "frames" if self.rows_per_clip > 1 else "clips"
            reasons.append(f"{few * self.rows_per_clip} {points} in {dimensions} dimensions")
        return " and ".join(reasons)

    def for_resampling(self, *sides: Any, at_most: int) -> tuple[list[np.ndarray], str]:
        """The features that resamples are drawn from, and what was done to them; as they are where that is no matter.

        Where all of them are more than `at_most` numbers, and a space has more than `MANY_DIMENSIONS`, they are taken
        in their leading directions. A value of the metric itself always comes from all of them.
        """
        rows = [float64_array(side) for side in sides]
        dimensions = rows[0].shape[1] // (self.rows_per_clip * self.blocks)
        few = sum(side.size for side in rows) <= at_most or dimensions <= MANY_DIMENSIONS
        if few or self.blocks > 1 or not self.needs_rank:
            return rows, ""
        found = leading_directions(rows, points_per_row=self.rows_per_clip)
        return found.sides, f"in the {found.dimensions} leading dimensions, {100 * found.share:.0f} % of the variance"

    def _spaces(self, rows: np.ndarray) -> list[np.ndarray]:
        if self.rows_per_clip > 1:
            rows = rows.reshape(len(rows) * self.rows_per_clip, -1)
        return np.split(rows, self.blocks, axis=1)
