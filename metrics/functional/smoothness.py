"""How well a frame is predicted by its two neighbours."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.functional.pixels import per_clip


def interpolation_smoothness(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """1 minus the mean absolute difference on [0, 1] between each inner frame and the average of its two neighbours.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have fewer than three frames.
    """
    return per_clip("interpolation_smoothness", preds, clip_interpolation_smoothness, min_frames=3)


def clip_interpolation_smoothness(pixels: UInt8[np.ndarray, "t h w 3"]) -> float:
    """Interpolation smoothness of one clip of at least three frames."""
    doubled = 0  # |2 x[t] - x[t-1] - x[t+1]| in whole levels, so that the sum is exact
    for before, frame, after in zip(pixels[:-2], pixels[1:-1], pixels[2:], strict=True):
        curvature = 2 * frame.astype(np.int16) - before - after
        doubled += int(np.abs(curvature).sum(dtype=np.int64))
    return 1 - doubled / 2 / pixels[1:-1].size / 255
