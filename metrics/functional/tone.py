"""How bright frames are, how wide their tones lie apart, and how much of them is at either end."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from torch import Tensor

from metrics.functional.pixels import luma, per_clip

LAST_CRUSHED, FIRST_BLOWN = 2, 253
"""Levels of luma up to which, and from which on, a pixel counts as clipped."""


def exposure(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Mean luma of each clip, on [0, 1].

    Raises:
        ClipError: `preds` is no uint8 RGB batch.
    """
    return per_clip("exposure", preds, lambda pixels: clip_exposure(frame_brightness(luma(pixels))))


def contrast(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Standard deviation of each frame's luma, on [0, 1], averaged over frames.

    Raises:
        ClipError: `preds` is no uint8 RGB batch.
    """
    return per_clip("contrast", preds, lambda pixels: clip_contrast(frame_contrast(luma(pixels))))


def clipping(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Share of pixels whose luma, rounded, is at most 2 or at least 253 levels.

    Raises:
        ClipError: `preds` is no uint8 RGB batch.
    """
    return per_clip("clipping", preds, lambda pixels: clip_clipping(clipped_pixels(luma(pixels)), pixels[0].size // 3))


def frame_brightness(levels: Float32[np.ndarray, "t h w"]) -> Float64[np.ndarray, " t"]:
    """Mean luma of each frame, in levels."""
    return np.array([frame.mean(dtype=np.float64) for frame in levels])


def clip_exposure(brightness: Float64[np.ndarray, " t"]) -> float:
    """Exposure of one clip, from its `frame_brightness`."""
    return float(brightness.mean()) / 255


def frame_contrast(levels: Float32[np.ndarray, "t h w"]) -> Float64[np.ndarray, " t"]:
    """Standard deviation of each frame's luma, in levels."""
    return np.array([frame.std(dtype=np.float64) for frame in levels])


def clip_contrast(spreads: Float64[np.ndarray, " t"]) -> float:
    """Contrast of one clip, from its `frame_contrast`."""
    return float(spreads.mean()) / 255


def clipped_pixels(levels: Float32[np.ndarray, "t h w"]) -> Int64[np.ndarray, " t"]:
    """How many pixels of each frame are clipped, from its luma in levels."""
    return np.array([((y < LAST_CRUSHED + 0.5) | (y > FIRST_BLOWN - 0.5)).sum() for y in levels], dtype=np.int64)


def clip_clipping(clipped: Int64[np.ndarray, " t"], frame_pixels: int) -> float:
    """Clipping of one clip, from its `clipped_pixels` and how many pixels a frame has."""
    return float(clipped.sum() / (len(clipped) * frame_pixels))
