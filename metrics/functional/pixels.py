"""How clips change shape on their way into OpenCV, and how a formula for one clip becomes one for a batch."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.checks import check_batch, check_frames

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Rec. 601 weights of red, green and blue."""

_PIXELS_AT_ONCE = 1 << 16


def interleaved(clip: UInt8[Tensor, "t 3 h w"]) -> UInt8[np.ndarray, "t h w 3"]:
    """The clip as a contiguous array with the channel last, as OpenCV wants it."""
    frames = clip.detach().cpu().numpy()
    count, _, height, width = frames.shape
    if frames.transpose(0, 2, 3, 1).flags.c_contiguous:
        return frames.transpose(0, 2, 3, 1)
    pixels = np.empty((count, height, width, 3), dtype=np.uint8)
    at_once = max(_PIXELS_AT_ONCE // (height * width), 1)
    for start in range(0, count, at_once):  # OpenCV is twenty times as fast as a transposing copy, in the cache
        planes = np.ascontiguousarray(frames[start : start + at_once].transpose(1, 0, 2, 3)).reshape(3, -1, width)
        cv2.merge(tuple(planes), dst=pixels[start : start + at_once].reshape(-1, width, 3))
    return pixels


def luma(pixels: UInt8[np.ndarray, "t h w 3"]) -> Float32[np.ndarray, "t h w"]:
    """Rec. 601 luma in levels 0 to 255, not rounded."""
    weights = np.array(LUMA_WEIGHTS, dtype=np.float32)
    levels = np.empty(pixels.shape[:3], dtype=np.float32)
    for frame, out in zip(pixels, levels, strict=True):  # frame by frame, since the product needs a float copy
        np.matmul(frame, weights, out=out)
    return levels


def per_clip(
    name: str,
    preds: UInt8[Tensor, "b t 3 h w"],
    formula: Callable[[UInt8[np.ndarray, "t h w 3"]], float],
    *,
    min_frames: int = 1,
) -> Float64[Tensor, " b"]:
    """Check a batch and apply a formula to the pixels of each of its clips.

    Raises:
        ClipError: `preds` is no batch of uint8 RGB clips of at least `min_frames` frames.
    """
    check_batch(preds)
    check_frames(preds.transpose(0, 1), min_frames, name)
    return torch.tensor([formula(interleaved(clip)) for clip in preds], dtype=torch.float64)
