"""Metrics as pure functions: no files, no downloads, no process groups, no state.

Clips are uint8 RGB tensors (b, t, 3, h, w); the result is one float64 value per clip. Distances between sets take
features (n, d) and return one value.
"""

from __future__ import annotations

from metrics.functional.consistency import frame_consistency
from metrics.functional.flicker import flicker
from metrics.functional.frechet import frechet_distance, frechet_distance_from_statistics
from metrics.functional.kernel import kernel_distance
from metrics.functional.lpips import lpips
from metrics.functional.motion import motion_magnitude
from metrics.functional.psnr import capped_frames, psnr
from metrics.functional.sharpness import sharpness
from metrics.functional.ssim import ssim
from metrics.functional.warping import warping_error

__all__ = [
    "capped_frames",
    "flicker",
    "frame_consistency",
    "frechet_distance",
    "frechet_distance_from_statistics",
    "kernel_distance",
    "lpips",
    "motion_magnitude",
    "psnr",
    "sharpness",
    "ssim",
    "warping_error",
]
