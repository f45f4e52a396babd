"""Flicker of a clip's overall brightness."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.pixels import luma, per_clip


def luma_flicker(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Mean absolute second difference of the frames' mean luma, on [0, 1]: mean |Y[t+1] - 2 Y[t] + Y[t-1]|.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have fewer than three frames.
    """
    return per_clip("luma_flicker", preds, lambda pixels: clip_luma_flicker(luma(pixels)), min_frames=3)


def clip_luma_flicker(levels: Float32[np.ndarray, "t h w"]) -> float:
    """Luma flicker of one clip of at least three frames, from its luma in levels."""
    brightness = levels.mean(axis=(1, 2), dtype=np.float64) / 255
    return float(np.abs(np.diff(brightness, n=2)).mean())
