"""Frames that repeat the one before."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.functional.flicker import frame_steps
from metrics.functional.pixels import per_clip

NEAR_DUPLICATE = 0.5 / 255
"""Frames that differ by less than half a level on average count as the same."""


def duplicate_ratio(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Share of neighbouring frames whose mean absolute difference is below half a level of 255.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have a single frame.
    """
    return per_clip("duplicate_ratio", preds, lambda pixels: clip_duplicate_ratio(frame_steps(pixels)), min_frames=2)


def freeze_length(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Most frames in a row that each repeat the one before, by the rule of `duplicate_ratio`; t - 1 for a still.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have a single frame.
    """
    return per_clip("freeze_length", preds, lambda pixels: clip_freeze_length(frame_steps(pixels)), min_frames=2)


def clip_duplicate_ratio(steps: Float64[np.ndarray, " pairs"]) -> float:
    """Duplicate ratio of one clip, from its `frame_steps`."""
    return float((steps < NEAR_DUPLICATE).mean())


def clip_freeze_length(steps: Float64[np.ndarray, " pairs"]) -> float:
    """Freeze length of one clip, from its `frame_steps`."""
    repeats = np.pad(steps < NEAR_DUPLICATE, 1).astype(np.int8)  # a False at either end closes the runs
    edges = np.flatnonzero(np.diff(repeats))
    return float((edges[1::2] - edges[::2]).max(initial=0))
