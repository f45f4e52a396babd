"""Amount of noise without a reference."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.checks import check_side
from metrics.functional.pixels import luma, per_clip

_MEDIAN_OF_A_HALF_NORMAL = 0.6744897501960817
_GAIN = 6.0
"""Root of the sum of squares of the kernel (1, -2, 1) x (1, -2, 1)."""


def noise_level(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Standard deviation of the noise in each frame's luma, averaged over frames, in levels of 255.

    The difference of two Laplacians, (1, -2, 1) along both axes, cancels everything that is linear along either
    (Immerkaer, Computer Vision and Image Understanding 64(2), 1996). Its median magnitude is taken, and not its mean,
    since edges and texture are few and large.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its frames are smaller than 3 x 3 pixels.
    """
    return per_clip("noise_level", preds, lambda pixels: clip_noise_level(frame_noise(luma(pixels))))


def clip_noise_level(medians: Float64[np.ndarray, " t"]) -> float:
    """Noise level of one clip, from the `frame_noise` of its frames."""
    return float(medians.mean()) / _GAIN / _MEDIAN_OF_A_HALF_NORMAL


def frame_noise(levels: Float32[np.ndarray, "t h w"]) -> Float64[np.ndarray, " t"]:
    """Median magnitude of each frame's luma, in levels, behind the kernel; not scaled.

    Raises:
        ClipError: Frames are smaller than 3 x 3 pixels.
    """
    check_side(levels.shape[1:], 3, "noise_level")
    medians = [np.median(np.abs(np.diff(np.diff(frame, n=2, axis=0), n=2, axis=1))) for frame in levels]
    return np.array(medians, dtype=np.float64)
