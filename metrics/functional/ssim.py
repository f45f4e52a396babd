"""Structural similarity after Wang, Bovik, Sheikh and Simoncelli, 2004."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.functional.checks import check_batch, check_pair, check_side
from metrics.functional.pixels import interleaved

WINDOW = 11
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2


def ssim(preds: UInt8[Tensor, "b t 3 h w"], target: UInt8[Tensor, "b t 3 h w"]) -> Float64[Tensor, " b"]:
    """SSIM of each clip: per RGB channel and frame, averaged over the valid region, channels and frames.

    Gaussian window of 11 x 11 pixels and sigma 1.5, K1 = 0.01, K2 = 0.03, range 1, population variance, and no
    padding: only windows that lie wholly inside the frame count. Libraries that pad, or use a uniform window, give
    other numbers.

    Args:
        preds: uint8 RGB clips.
        target: Their references, same shape.

    Raises:
        ClipError: One of them is no uint8 RGB batch, the shapes differ, or frames are smaller than the window.
    """
    check_batch(preds)
    check_pair(preds, target)
    pairs = zip(preds, target, strict=True)
    return torch.tensor(
        [clip_ssim(interleaved(ours), interleaved(theirs)) for ours, theirs in pairs], dtype=torch.float64
    )


def clip_ssim(clip: UInt8[np.ndarray, "t h w 3"], reference: UInt8[np.ndarray, "t h w 3"]) -> float:
    """SSIM of one clip, averaged over its frames.

    Raises:
        ClipError: Frames are smaller than the window.
    """
    return float(frame_ssim(clip, reference).mean())


def frame_ssim(
    clip: UInt8[np.ndarray, "t h w 3"], reference: UInt8[np.ndarray, "t h w 3"]
) -> Float64[np.ndarray, " t"]:
    """SSIM of each frame of one clip.

    Raises:
        ClipError: Frames are smaller than the window.
    """
    check_side(clip.shape[1:3], WINDOW, "ssim")
    return np.array([_frame_ssim(ours, theirs) for ours, theirs in zip(clip, reference, strict=True)])


def _frame_ssim(ours: UInt8[np.ndarray, "h w 3"], theirs: UInt8[np.ndarray, "h w 3"]) -> float:
    luminance, structure = similarity_maps(ours, theirs)
    return float((luminance * structure).mean(dtype=np.float64))


def similarity_maps(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two factors of SSIM, luminance and contrast-structure, around every pixel whose window lies inside the frame.

    Args:
        ours: Frame (h, w, 3) in levels of 255, uint8 or float32.
        theirs: Its reference, same shape.
    """
    # The textbook fractions as 1 - difference / total. Equal frames give exactly 1, and float32 suffices, since what
    # cancels is small: variances do not change when both frames are shifted towards 0.
    shift = np.float32(theirs.mean())
    x = (ours - shift) / 255
    y = (theirs - shift) / 255
    difference = x - y
    mean_y, mean_difference = _windowed(y), _windowed(difference)
    mean_x = mean_y + mean_difference
    variances = _windowed(x * x + y * y) - (mean_x * mean_x + mean_y * mean_y)
    variance_of_difference = _windowed(difference * difference) - mean_difference * mean_difference
    level_x, level_y = mean_x + shift / 255, mean_y + shift / 255
    luminance = 1 - mean_difference * mean_difference / (level_x * level_x + level_y * level_y + C1)
    structure = 1 - variance_of_difference / (variances + C2)
    return luminance, structure


def _windowed(image: np.ndarray) -> np.ndarray:
    """Gaussian mean around every pixel whose window lies inside the image."""
    offset = WINDOW // 2
    taps = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_64F)
    return cv2.sepFilter2D(image, cv2.CV_32F, taps, taps)[offset:-offset, offset:-offset]
