"""Fréchet distance as it would be with endlessly many clips, read off how it falls with their number."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from metrics.errors import FeatureError
from metrics.functional.features import check_same_dimensions, checked_features
from metrics.functional.frechet import frechet_distance

SIZES = 15
LEAST_CLIPS = 8


def frechet_distance_infinity(x: Any, y: Any, *, seed: int) -> Float64[Tensor, ""]:
    """Fréchet distance extrapolated to an infinite number of clips (Chong and Forsyth, CVPR 2020), in float64.

    The bias of the distance is near to linear in 1/n. Distances at 15 sizes from a quarter of the clips to all of them
    are fitted by a straight line over 1/n, whose intercept is the result; it may be slightly negative. Both sides are
    cut to the same n, because each adds a bias of its own. At every size as many disjoint subsets are averaged as there
    are, so that each clip counts about equally often.

    Args:
        x: Features (n, d), tensor or array.
        y: Features (m, d).
        seed: Decides which clips share a subset; part of the result's identity.

    Raises:
        FeatureError: As `frechet_distance`, and for fewer than 8 rows.
    """
    a, b = checked_features(x, "x"), checked_features(y, "y")
    check_same_dimensions(a.shape[1], b.shape[1])
    n = min(len(a), len(b))
    if n < LEAST_CLIPS:
        raise FeatureError(
            f"a line over the number of clips needs at least {LEAST_CLIPS} on each side, got {len(a)} and {len(b)}",
            hint="use frechet_distance, and say how many clips it had",
        )
    rng = np.random.default_rng(seed)
    sizes = np.unique(np.linspace(max(2, n // 4), n, SIZES).round().astype(int))
    distances = [_mean_distance(a, b, int(size), n // int(size), rng) for size in sizes]
    _, intercept = np.polyfit(1 / sizes, distances, 1)
    return torch.tensor(intercept, dtype=torch.float64)


def _mean_distance(a: np.ndarray, b: np.ndarray, size: int, subsets: int, rng: np.random.Generator) -> float:
    orders = rng.permutation(len(a)), rng.permutation(len(b))
    cuts = (slice(index * size, (index + 1) * size) for index in range(subsets))
    return float(np.mean([float(frechet_distance(a[orders[0][cut]], b[orders[1][cut]])) for cut in cuts]))
