"""How much frames resemble one another, by a descriptor without weights."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.checks import check_side
from metrics.functional.pixels import per_clip

GRID = 8
LAYOUT_FLOOR = 0.02
COLOUR_FLOOR = 0.25


def frame_consistency(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Mean over frames t >= 2 of (cos(d_t, d_t-1) + cos(d_t, d_1)) / 2, for the descriptors d of `frame_descriptors`.

    The combination of neighbour and first frame is that of VBench's consistency dimensions, without clipping at 0.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have a single frame or less than 8 x 8 pixels.
    """
    return per_clip(
        "frame_consistency", preds, lambda pixels: similarities(frame_descriptors(pixels)).mean(), min_frames=2
    )


def similarities(
    descriptors: Float64[np.ndarray, "t d"], first: Float64[np.ndarray, " d"] | None = None
) -> Float64[np.ndarray, " pairs"]:
    """Mean of each frame's cosines to the frame before and to the clip's first frame, from the second frame on.

    Args:
        descriptors: Of frames in a row.
        first: Descriptor of the clip's first frame, where these frames do not begin with it.
    """
    to_neighbour = (descriptors[1:] * descriptors[:-1]).sum(axis=1)
    # Not a matrix product: that rounds a row by how many others there are.
    to_first = (descriptors[1:] * (descriptors[0] if first is None else first)).sum(axis=1)
    return np.clip((to_neighbour + to_first) / 2, -1, 1)  # rounding can exceed 1 by 2e-16


def frame_descriptors(pixels: UInt8[np.ndarray, "t h w 3"]) -> Float64[np.ndarray, "t d"]:
    """Unit vectors that describe where which colour is, coarsely.

    A frame is averaged over 8 x 8 cells on [0, 1]. Two blocks weigh the same: the layout (cells minus the frame's mean
    colour) and that mean colour itself (minus mid-grey). Raw cells would make all frames look alike; centred, unrelated
    frames score about 0 on layout and 0.3 to 0.5 altogether. Each block is extended by a constant before it is scaled
    to length 1: 0.02 for the layout, 0.25 for the colour, both as root mean squares. Contrast below that constant
    counts as none, so featureless frames resemble one another and a nearly grey clip is not ruled by the sign of a
    rounding error.

    Raises:
        ClipError: Frames are smaller than 8 x 8 pixels.
    """
    check_side(pixels.shape[1:3], GRID, "frame_consistency")
    cells = np.stack([_cells(frame) for frame in pixels])
    colour = cells.mean(axis=(1, 2), keepdims=True)
    blocks = (_unit(cells - colour, LAYOUT_FLOOR), _unit(colour - 0.5, COLOUR_FLOOR))
    return np.concatenate(blocks, axis=1) / np.sqrt(len(blocks))


def _cells(frame: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "y x 3"]:
    return cv2.resize(frame.astype(np.float32) / 255, (GRID, GRID), interpolation=cv2.INTER_AREA)


def _unit(block: np.ndarray, floor: float) -> Float64[np.ndarray, "t d"]:
    flat = block.reshape(len(block), -1).astype(np.float64)
    flat /= np.sqrt(flat.shape[1])
    extended = np.pad(flat, ((0, 0), (0, 1)), constant_values=floor)
    return extended / np.linalg.norm(extended, axis=1, keepdims=True)
