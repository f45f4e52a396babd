"""How bright frames are, how wide their tones lie apart, and how much of them is at either end."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.pixels import luma, per_clip

LAST_CRUSHED, FIRST_BLOWN = 2, 253
"""Levels of luma up to which, and from which on, a pixel counts as clipped."""


def exposure(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Mean luma of each clip, on [0, 1].

    Raises:
        ClipError: `preds` is no uint8 RGB batch.
    """
    return per_clip("exposure", preds, lambda pixels: clip_exposure(luma(pixels)))


def contrast(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Standard deviation of each frame's luma, on [0, 1], averaged over frames.

    Raises:
        ClipError: `preds` is no uint8 RGB batch.
    """
    return per_clip("contrast", preds, lambda pixels: clip_contrast(luma(pixels)))


def clipping(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Share of pixels whose luma, rounded, is at most 2 or at least 253 levels.

    Raises:
        ClipError: `preds` is no uint8 RGB batch.
    """
    return per_clip("clipping", preds, lambda pixels: clip_clipping(luma(pixels)))


def clip_exposure(levels: Float32[np.ndarray, "t h w"]) -> float:
    """Exposure of one clip, from its luma in levels."""
    return float(levels.mean(dtype=np.float64)) / 255


def clip_contrast(levels: Float32[np.ndarray, "t h w"]) -> float:
    """Contrast of one clip, from its luma in levels."""
    return float(np.mean([frame.std(dtype=np.float64) for frame in levels])) / 255


def clip_clipping(levels: Float32[np.ndarray, "t h w"]) -> float:
    """Clipping of one clip, from its luma in levels."""
    return float(((levels < LAST_CRUSHED + 0.5) | (levels > FIRST_BLOWN - 0.5)).mean())
