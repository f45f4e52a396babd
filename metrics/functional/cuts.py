"""Cuts from one scene to another."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.functional.pixels import per_clip

BINS = 32
SPREAD = 32
"""How many levels away a pixel still counts, in linear decline."""
CUT_ABOVE = 0.16
"""Distance of two frames' histograms, on [0, 1], above which there is a cut between them."""


def scene_cuts(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """How many pairs of neighbouring frames have colour histograms that lie more than 0.16 apart.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have a single frame.
    """
    return per_clip("scene_cuts", preds, lambda pixels: clip_scene_cuts(histogram_steps(pixels)), min_frames=2)


def clip_scene_cuts(steps: Float64[np.ndarray, " pairs"]) -> float:
    """Scene cuts of one clip, from its `histogram_steps`."""
    return float((steps > CUT_ABOVE).sum())


def histogram_steps(pixels: UInt8[np.ndarray, "t h w 3"]) -> Float64[np.ndarray, " pairs"]:
    """Chi-squared distance between the histograms of neighbouring frames, on [0, 1], averaged over channels.

    sum (a - b)^2 / (a + b) / 2 over 32 bins that add up to 1 per channel. A level is shared among the bins around it,
    so that on flat areas a step by a few levels does not empty one bin into another.
    """
    histograms = np.stack([_histograms(frame) for frame in pixels])
    before, after = histograms[:-1], histograms[1:]
    total = before + after
    squares = np.divide((before - after) ** 2, total, out=np.zeros_like(total), where=total > 0)
    return squares.sum(axis=-1).mean(axis=-1) / 2


def _histograms(frame: UInt8[np.ndarray, "h w 3"]) -> Float64[np.ndarray, "3 bins"]:
    levels = [cv2.calcHist([frame], [channel], None, [256], [0, 256]).ravel() for channel in range(3)]
    return np.stack(levels).astype(np.float64) / (frame.size / 3) @ _shares()


def _shares() -> Float64[np.ndarray, "256 bins"]:
    """How much of each level belongs to each bin; rows add up to 1."""
    width = 256 / BINS
    centres = width * np.arange(BINS) + (width - 1) / 2
    shares = np.maximum(0, 1 - np.abs(np.arange(256)[:, None] - centres) / SPREAD)
    return shares / shares.sum(axis=1, keepdims=True)
