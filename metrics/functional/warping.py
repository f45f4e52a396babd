"""What is left of the change between frames once motion is undone."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.errors import UndefinedScoreError
from metrics.functional.flow import clip_flow, flow_frames
from metrics.functional.pixels import per_clip

MIN_SHARE = 0.05
"""With fewer trusted pixels than this there is no value."""


class Warping(NamedTuple):
    """Warping error of a clip, NaN where it is undefined, and the share of its pixels that it was measured on."""

    error: float
    share: float

    def defined_error(self) -> float:
        """The error.

        Raises:
            UndefinedScoreError: Less than 5 % of the pixels can be trusted.
        """
        if self.share < MIN_SHARE:
            raise UndefinedScoreError(
                f"warping error is undefined: optical flow can be trusted on {self.share:.1%} of the pixels, "
                f"and {MIN_SHARE:.0%} are needed",
                hint="neighbouring frames of this clip hardly correspond; see its flicker and frame consistency",
            )
        return self.error


def warping_error(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Mean squared difference on [0, 1] between each frame and its successor warped back along the optical flow.

    Measured only where the flow can be trusted: the target lies inside the frame, and forward flow f and backward flow
    b at the target cancel, |f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5 (Sundaram, Brox and Keutzer, ECCV 2010; the error is
    that of Lai et al., ECCV 2018). All trusted pixels of a clip count alike.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have a single frame or less than 16 x 16 pixels.
        UndefinedScoreError: Less than 5 % of a clip's pixels can be trusted.
    """
    return per_clip("warping_error", preds, lambda pixels: _warping(pixels).defined_error(), min_frames=2)


def warping_ok_share(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Share of each clip's pixels that `warping_error` is measured on: those where the flow can be trusted.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have a single frame or less than 16 x 16 pixels.
    """
    return per_clip("warping_ok_share", preds, lambda pixels: _warping(pixels).share, min_frames=2)


def clip_warping(pairs: Float64[np.ndarray, "pairs 3"]) -> Warping:
    """Warping error of one clip, from its `pair_warping`; NaN with less than 5 % of trusted pixels."""
    squares, trusted, pixels = pairs.sum(axis=0)
    share = trusted / pixels
    return Warping(float(squares / trusted / 3 / 255**2) if share >= MIN_SHARE else math.nan, float(share))


def pair_warping(
    pixels: UInt8[np.ndarray, "t y x 3"],
    forward: Float32[np.ndarray, "pairs y x 2"],
    backward: Float32[np.ndarray, "pairs y x 2"],
) -> Float64[np.ndarray, "pairs 3"]:
    """Sum of squared differences in levels, number of trusted pixels and of all pixels, of each pair of neighbours.

    Args:
        pixels: Frames in a row.
        forward: Flow from each of them to the next, at their size.
        backward: Flow from each next one back.
    """
    height, width = pixels.shape[1:3]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    found = []
    for frame, successor, there, back in zip(pixels[:-1], pixels[1:], forward, backward, strict=True):
        x, y = columns + there[..., 0], rows + there[..., 1]
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        back_at_target = cv2.remap(back, x, y, cv2.INTER_LINEAR)
        lengths = _squared_length(there) + _squared_length(back_at_target)
        trusted = inside & (_squared_length(there + back_at_target) <= 0.01 * lengths + 0.5)
        warped = cv2.remap(successor.astype(np.float32), x, y, cv2.INTER_LINEAR)
        squares = _squared_length(warped - frame)[trusted].sum(dtype=np.float64)
        found.append((squares, trusted.sum(), trusted.size))
    return np.array(found, dtype=np.float64)


def _warping(pixels: UInt8[np.ndarray, "t h w 3"]) -> Warping:
    frames = flow_frames(pixels)
    return clip_warping(pair_warping(frames, clip_flow(frames), clip_flow(frames, backward=True)))


def _squared_length(vectors: Float32[np.ndarray, "y x c"]) -> Float32[np.ndarray, "y x"]:
    return np.einsum("yxc,yxc->yx", vectors, vectors)  # several times faster than a sum over the short last axis
