"""Sharpness without a reference."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.checks import check_side
from metrics.functional.pixels import luma, per_clip


def sharpness(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Variance of the Laplacian of each frame's luma, averaged over frames, in squared 8-bit levels.

    The Laplacian is the 4-neighbour one (1, 1, -4, 1, 1), on pixels that have all four neighbours (Pech-Pacheco et al.,
    ICPR 2000).

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its frames are smaller than 3 x 3 pixels.
    """
    return per_clip("sharpness", preds, lambda pixels: frame_sharpness(luma(pixels)).mean())


def frame_sharpness(levels: Float32[np.ndarray, "t h w"]) -> Float64[np.ndarray, " t"]:
    """Sharpness of each frame, from its luma in levels.

    Raises:
        ClipError: Frames are smaller than 3 x 3 pixels.
    """
    check_side(levels.shape[1:], 3, "sharpness")
    variances = []
    for y in levels:
        laplacian = y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * y[1:-1, 1:-1]
        variances.append(laplacian.var(dtype=np.float64))
    return np.array(variances)
