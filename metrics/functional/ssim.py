"""Structural similarity after Wang, Bovik, Sheikh and Simoncelli, 2004."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.checks import check_batch, check_pair, check_side
from metrics.functional.pixels import interleaved

WINDOW = 11
SIGMA = 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""For levels of 255."""

_PIXELS_AT_ONCE = 1 << 14
"""Small frames go together, large ones alone: few calls, and what is derived from the pixels stays in the cache."""


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
    at_once = max(_PIXELS_AT_ONCE // (clip.shape[1] * clip.shape[2]), 1)
    starts = range(0, len(clip), at_once)
    values = [_frame_ssim(clip[start : start + at_once], reference[start : start + at_once]) for start in starts]
    return np.concatenate(values)


def _frame_ssim(ours: UInt8[np.ndarray, "n h w 3"], theirs: UInt8[np.ndarray, "n h w 3"]) -> Float64[np.ndarray, " n"]:
    similarity = similarity_map(ours, theirs)
    return similarity.reshape(*similarity.shape[:2], -1).mean(axis=2).mean(axis=1, dtype=np.float64)


def similarity_map(ours: np.ndarray, theirs: np.ndarray, *, luminance: bool = True) -> Float32[np.ndarray, "n y x 3"]:
    """SSIM around every pixel whose window lies inside its frame.

    Args:
        ours: Frames (n, h, w, 3) in levels of 255, uint8 or float32.
        theirs: Their references, same shape.
        luminance: Without it, the factor of contrast and structure alone.
    """
    # By the sum and the difference of both frames: 4 E[x] E[y] = E[x + y]^2 - E[x - y]^2, and
    # 2 E[x]^2 + 2 E[y]^2 = E[x + y]^2 + E[x - y]^2; likewise covariance and variances. Equal frames give exactly 1, and
    # float32 suffices: levels and their squares are exact, and shifting the sum towards 0 changes no variance.
    count, height, width, _ = ours.shape
    levels = np.empty((4, count * height, width, 3), dtype=np.float32)
    total, difference, x, y = levels.reshape(4, *ours.shape)
    x[:], y[:] = ours, theirs
    np.add(x, y, out=total)
    np.subtract(x, y, out=difference)
    shift = np.rint(total.reshape(count, -1)[:, ::7].mean(axis=1)).reshape(count, 1, 1, 1)  # near the mean suffices
    total -= shift
    np.square(levels[:2], out=levels[2:])
    # One call for all frames, below one another: windows that see two of them are cut off with the border.
    means = _windowed(levels.reshape(-1, width, 3))
    mean, mean_difference, variance, variance_of_difference = means.reshape(4, *ours.shape)
    level, spare = total, difference  # from here on, all work is done in the memory that is there
    np.add(mean, shift, out=level)
    variance -= np.square(mean, out=mean)
    variance_of_difference -= np.square(mean_difference, out=mean_difference)
    variance += np.float32(2 * C2)
    similarity = np.subtract(variance, variance_of_difference, out=spare)
    below = np.add(variance, variance_of_difference, out=variance)
    if luminance:
        np.square(level, out=level)
        level += np.float32(2 * C1)
        similarity *= np.subtract(level, mean_difference, out=mean)
        below *= np.add(level, mean_difference, out=level)
    similarity /= below
    border = WINDOW // 2
    return similarity[:, border:-border, border:-border]


def _windowed(image: np.ndarray) -> np.ndarray:
    """Gaussian mean around every pixel; what windows see beyond the image is of no use."""
    taps = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_64F)
    return cv2.sepFilter2D(image, cv2.CV_32F, taps, taps)
