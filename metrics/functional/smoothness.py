"""How well a frame is predicted by its two neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor

from metrics.functional.pixels import per_clip


def interpolation_smoothness(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """1 minus the mean absolute difference on [0, 1] between each inner frame and the average of its two neighbours.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have fewer than three frames.
    """
    return per_clip("interpolation_smoothness", preds, _smoothness, min_frames=3)


def frame_curvature(
    frames: Sequence[UInt8[np.ndarray, "h w 3"]] | UInt8[np.ndarray, "t h w 3"],
) -> Int64[np.ndarray, " inner"]:
    """Sum of |2 x[t] - x[t-1] - x[t+1]| over pixels and channels of each inner frame; in whole levels, so exact."""
    triples = zip(frames, frames[1:], frames[2:], strict=False)
    curvatures = (2 * frame.astype(np.int16) - before - after for before, frame, after in triples)
    return np.array([np.abs(curvature).sum(dtype=np.int64) for curvature in curvatures], dtype=np.int64)


def clip_interpolation_smoothness(curvature: Int64[np.ndarray, " inner"], frame_values: int) -> float:
    """Interpolation smoothness of one clip, from its `frame_curvature` and how many values a frame has."""
    return 1 - int(curvature.sum()) / 2 / (len(curvature) * frame_values) / 255


def _smoothness(pixels: UInt8[np.ndarray, "t h w 3"]) -> float:
    return clip_interpolation_smoothness(frame_curvature(pixels), pixels[0].size)
