"""Black bars around the picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.pixels import luma, per_clip

BLACK_BELOW = 16
"""Levels of luma, rounded; the black of video that uses levels 16 to 235 is no longer black here."""


def black_borders(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Share of the frame's area taken by rows and columns at its edges that are black in all frames.

    A row or column is black where no pixel of any frame has a luma of 16 levels or more; only those that reach the edge
    through others that are black count.

    Raises:
        ClipError: `preds` is no uint8 RGB batch.
    """
    return per_clip("black_borders", preds, _black_borders)


def lit_lines(levels: Float32[np.ndarray, "t h w"]) -> Bool[np.ndarray, "1 lines"]:
    """Which rows, and behind them which columns, are not black in all of these frames, from their luma in levels."""
    lit = levels.max(axis=0) >= BLACK_BELOW - 0.5
    return np.concatenate([lit.any(axis=1), lit.any(axis=0)])[None]


def clip_black_borders(lines: Bool[np.ndarray, "parts lines"], height: int) -> float:
    """Share of black borders of one clip of this height, from the `lit_lines` of its parts."""
    rows, columns = np.split(lines.any(axis=0), [height])
    return 1 - _extent(rows) * _extent(columns) / (len(rows) * len(columns))


def _black_borders(pixels: UInt8[np.ndarray, "t h w 3"]) -> float:
    return clip_black_borders(lit_lines(luma(pixels)), pixels.shape[1])


def _extent(lit: Bool[np.ndarray, " n"]) -> int:
    """From the first lit line to the last, both counted."""
    lines = np.flatnonzero(lit)
    return int(lines[-1] - lines[0] + 1) if len(lines) else 0
