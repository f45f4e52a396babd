"""How much colour frames have."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.functional.pixels import per_clip


def saturation(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Mean saturation of all pixels as in HSV, (max - min) / max over a pixel's channels, and 0 for black.

    Raises:
        ClipError: `preds` is no uint8 RGB batch.
    """
    return per_clip("saturation", preds, lambda pixels: frame_saturation(pixels).mean())


def colourfulness(preds: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """Colourfulness of each frame (Hasler and Suesstrunk, SPIE 5007, 2003), in levels of 255, averaged over frames.

    With rg = R - G and yb = (R + G) / 2 - B, it is sqrt(sd(rg)^2 + sd(yb)^2) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2).

    Raises:
        ClipError: `preds` is no uint8 RGB batch.
    """
    return per_clip("colourfulness", preds, lambda pixels: frame_colourfulness(pixels).mean())


def frame_saturation(pixels: UInt8[np.ndarray, "t h w 3"]) -> Float64[np.ndarray, " t"]:
    """Saturation of each frame."""
    return np.array([_saturation(frame) for frame in pixels])


def frame_colourfulness(pixels: UInt8[np.ndarray, "t h w 3"]) -> Float64[np.ndarray, " t"]:
    """Colourfulness of each frame."""
    return np.array([_colourfulness(frame) for frame in pixels])


def _saturation(frame: UInt8[np.ndarray, "h w 3"]) -> float:
    red, green, blue = np.moveaxis(frame, -1, 0)
    highest = np.maximum(np.maximum(red, green), blue)
    spread = (highest - np.minimum(np.minimum(red, green), blue)).astype(np.float64)
    return float((spread / np.maximum(highest, 1)).mean())


def _colourfulness(frame: UInt8[np.ndarray, "h w 3"]) -> float:
    red, green, blue = np.moveaxis(frame.astype(np.float32), -1, 0)
    axes = (red - green, (red + green) / 2 - blue)
    spread = np.hypot(*(axis.std(dtype=np.float64) for axis in axes))
    shift = np.hypot(*(axis.mean(dtype=np.float64) for axis in axes))
    return float(spread + 0.3 * shift)
