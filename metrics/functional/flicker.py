"""Change between neighbouring frames."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.functional.pixels import per_clip


def flicker(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Mean absolute difference of neighbouring frames, on [0, 1]; 1 minus it is VBench's temporal flickering score.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have a single frame.
    """
    return per_clip("flicker", preds, clip_flicker, min_frames=2)


def clip_flicker(pixels: UInt8[np.ndarray, "t h w 3"]) -> float:
    """Flicker of one clip of at least two frames."""
    before, after = pixels[:-1], pixels[1:]
    difference = np.maximum(before, after) - np.minimum(before, after)
    return int(difference.sum(dtype=np.int64)) / difference.size / 255
