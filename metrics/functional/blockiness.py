"""Edges that a block-based codec leaves at the borders of its blocks."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.checks import check_side
from metrics.functional.pixels import luma, per_clip

BLOCK = 8
FLOOR = 0.1
"""Levels added to both means, so that frames without any steps have the value 1 and not 0 / 0."""


def blockiness(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Mean step of luma across the borders of 8 x 8 blocks over the mean step elsewhere, averaged over frames.

    Steps are absolute differences of horizontal and of vertical neighbours in levels of 255, all pooled; 0.1 levels are
    added to both means. Blocks are counted from the frame's upper left corner. 1 means that the grid cannot be seen.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its frames are smaller than 16 x 16 pixels.
    """
    return per_clip("blockiness", preds, lambda pixels: frame_blockiness(luma(pixels)).mean())


def frame_blockiness(levels: Float32[np.ndarray, "t h w"]) -> Float64[np.ndarray, " t"]:
    """Blockiness of each frame, from its luma in levels.

    Raises:
        ClipError: Frames are smaller than 16 x 16 pixels.
    """
    check_side(levels.shape[1:], 2 * BLOCK, "blockiness")
    return np.array([_blockiness(frame) for frame in levels])


def _blockiness(frame: Float32[np.ndarray, "h w"]) -> float:
    steps = [np.abs(np.diff(image, axis=0)) for image in (frame, frame.T)]
    borders = [step[BLOCK - 1 :: BLOCK] for step in steps]
    at_borders = sum(float(border.sum(dtype=np.float64)) for border in borders)
    everywhere = sum(float(step.sum(dtype=np.float64)) for step in steps)
    border_steps, all_steps = sum(border.size for border in borders), sum(step.size for step in steps)
    elsewhere = max(everywhere - at_borders, 0.0) / (all_steps - border_steps)
    return (at_borders / border_steps + FLOOR) / (elsewhere + FLOOR)
