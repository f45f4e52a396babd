"""Peak signal-to-noise ratio, per frame on [0, 1]."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor

from metrics.functional.checks import check_batch, check_pair
from metrics.functional.pixels import interleaved

PSNR_CAP = 100.0
"""dB given to a frame that equals its reference, where the ratio itself is infinite."""


def psnr(preds: UInt8[Tensor, "b t 3 h w"], target: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """PSNR of each clip in dB: 10 log10(1 / MSE) per frame over pixels and channels, capped, then averaged over frames.

    The mean over frames is not the PSNR of the pooled error: one bad frame among good ones costs less here.

    Args:
        preds: uint8 RGB clips.
        target: Their references, same shape.

    Raises:
        ClipError: One of them is no uint8 RGB batch, or the shapes differ.
    """
    return _frames(preds, target).mean(dim=1)


def capped_frames(preds: UInt8[Tensor, "b t 3 h w"], target: UInt8[Tensor, "b t 3 h w"]) -> Int64[Tensor, " b"]:
    """How many frames of each clip count as 100 dB: those that equal their reference, or all but do.

    Raises:
        ClipError: As `psnr`.
    """
    return (_frames(preds, target) >= PSNR_CAP).sum(dim=1)


def frame_psnr(
    pixels: UInt8[np.ndarray, "t h w 3"], reference: UInt8[np.ndarray, "t h w 3"]
) -> Float64[np.ndarray, " t"]:
    """Capped PSNR of each frame of one clip, in dB."""
    pairs = zip(pixels, reference, strict=True)
    squares = np.array([cv2.norm(ours, theirs, cv2.NORM_L2SQR) for ours, theirs in pairs])
    ratio = np.divide(pixels[0].size * 255.0**2, squares, out=np.full(len(squares), np.inf), where=squares > 0)
    return np.minimum(10 * np.log10(ratio), PSNR_CAP)


def _frames(preds: Tensor, target: Tensor) -> Float64[Tensor, "b t"]:
    check_batch(preds)
    check_pair(preds, target)
    pairs = zip(preds, target, strict=True)
    values = [frame_psnr(interleaved(ours), interleaved(theirs)) for ours, theirs in pairs]
    return torch.from_numpy(np.reshape(values, preds.shape[:2]).astype(np.float64))
