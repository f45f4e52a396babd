"""Flicker of a clip's overall brightness."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.functional.pixels import luma, per_clip
from metrics.functional.tone import frame_brightness


def luma_flicker(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Mean absolute second difference of the frames' mean luma, on [0, 1]: mean |Y[t+1] - 2 Y[t] + Y[t-1]|.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have fewer than three frames.
    """
    return per_clip(
        "luma_flicker", preds, lambda pixels: clip_luma_flicker(frame_brightness(luma(pixels))), min_frames=3
    )


def clip_luma_flicker(brightness: Float64[np.ndarray, " t"]) -> float:
    """Luma flicker of one clip of at least three frames, from its `frame_brightness` in levels."""
    return float(np.abs(np.diff(brightness / 255, n=2)).mean())
