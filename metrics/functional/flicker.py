"""Change between neighbouring frames."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.functional.pixels import per_clip


def flicker(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Mean absolute difference of neighbouring frames, on [0, 1]; 1 minus it is VBench's temporal flickering score.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have a single frame.
    """
    return per_clip("flicker", preds, lambda pixels: clip_flicker(frame_steps(pixels)), min_frames=2)


def clip_flicker(steps: Float64[np.ndarray, " pairs"]) -> float:
    """Flicker of one clip, from its `frame_steps`."""
    return float(steps.mean())


def frame_steps(pixels: UInt8[np.ndarray, "t h w 3"]) -> Float64[np.ndarray, " pairs"]:
    """Mean absolute difference of each frame to its successor, over pixels and channels, on [0, 1]."""
    sums = [cv2.norm(before, after, cv2.NORM_L1) for before, after in pairwise(pixels)]
    return np.array(sums, dtype=np.float64) / pixels[0].size / 255
