"""Structural similarity over several scales, after Wang, Simoncelli and Bovik, 2003."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.checks import check_batch, check_pair, check_side
from metrics.functional.pixels import interleaved
from metrics.functional.ssim import WINDOW, similarity_map

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponent of each scale, the finest first."""

MIN_SIDE = WINDOW * 2 ** (len(WEIGHTS) - 1)
"""So that the window of SSIM still fits into the coarsest scale."""


def ms_ssim(preds: UInt8[Tensor, "b t 3 h w"], target: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """MS-SSIM of each clip: per RGB channel and frame, averaged over channels and frames.

    The product over five scales of mean contrast-structure, and of mean SSIM at the coarsest, each to the power of its
    weight. Window, constants and valid region as in `ssim`. From scale to scale 2 x 2 pixels are averaged, an odd last
    row or column is dropped. A scale whose mean is negative counts as 0, since it has no real power.

    Args:
        preds: uint8 RGB clips.
        target: Their references, same shape.

    Raises:
        ClipError: One of them is no uint8 RGB batch, the shapes differ, or frames are smaller than 176 x 176 pixels.
    """
    check_batch(preds)
    check_pair(preds, target)
    pairs = zip(preds, target, strict=True)
    return torch.tensor(
        [frame_ms_ssim(interleaved(ours), interleaved(theirs)).mean() for ours, theirs in pairs], dtype=torch.float64
    )


def frame_ms_ssim(
    clip: UInt8[np.ndarray, "t h w 3"], reference: UInt8[np.ndarray, "t h w 3"]
) -> Float64[np.ndarray, " t"]:
    """MS-SSIM of each frame of one clip.

    Raises:
        ClipError: Frames are smaller than 176 x 176 pixels.
    """
    check_side(
        clip.shape[1:3], MIN_SIDE, "ms_ssim", hint="below that only ssim is defined; enlarging clips would add scales"
    )
    return np.array([_ms_ssim(ours, theirs) for ours, theirs in zip(clip, reference, strict=True)])


def _ms_ssim(ours: UInt8[np.ndarray, "h w 3"], theirs: UInt8[np.ndarray, "h w 3"]) -> float:
    x, y = ours.astype(np.float32), theirs.astype(np.float32)
    product = np.ones(3)
    for scale, weight in enumerate(WEIGHTS, start=1):
        (similarity,) = similarity_map(x[None], y[None], luminance=scale == len(WEIGHTS))
        product *= np.maximum(similarity.mean(axis=(0, 1), dtype=np.float64), 0) ** weight
        x, y = _halved(x), _halved(y)
    return float(product.mean())


def _halved(image: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "y x 3"]:
    height, width = (side // 2 for side in image.shape[:2])
    return cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
