"""Metrics as pure functions: no files, no downloads, no process groups, no state.

Clips are uint8 RGB tensors (b, t, 3, h, w); the result is one float64 value per clip. Distances between sets take
features (n, d) and return one value.
"""

from __future__ import annotations

from metrics.functional.blockiness import blockiness
from metrics.functional.borders import black_borders
from metrics.functional.colour import colourfulness, saturation
from metrics.functional.consistency import frame_consistency
from metrics.functional.cuts import scene_cuts
from metrics.functional.dynamic_degree import dynamic_degree
from metrics.functional.flicker import flicker
from metrics.functional.frechet import frechet_distance, frechet_distance_from_statistics
from metrics.functional.kernel import kernel_distance
from metrics.functional.lpips import lpips
from metrics.functional.luma_flicker import luma_flicker
from metrics.functional.motion import motion_magnitude
from metrics.functional.ms_ssim import ms_ssim
from metrics.functional.noise import noise_level
from metrics.functional.psnr import capped_frames, psnr
from metrics.functional.repetition import duplicate_ratio, freeze_length
from metrics.functional.sharpness import sharpness
from metrics.functional.smoothness import interpolation_smoothness
from metrics.functional.ssim import ssim
from metrics.functional.tone import clipping, contrast, exposure
from metrics.functional.vbench_flicker import vbench_flicker, vbench_static
from metrics.functional.warping import warping_error, warping_ok_share

__all__ = [
    "black_borders",
    "blockiness",
    "capped_frames",
    "clipping",
    "colourfulness",
    "contrast",
    "duplicate_ratio",
    "dynamic_degree",
    "exposure",
    "flicker",
    "frame_consistency",
    "frechet_distance",
    "frechet_distance_from_statistics",
    "freeze_length",
    "interpolation_smoothness",
    "kernel_distance",
    "lpips",
    "luma_flicker",
    "motion_magnitude",
    "ms_ssim",
    "noise_level",
    "psnr",
    "saturation",
    "scene_cuts",
    "sharpness",
    "ssim",
    "vbench_flicker",
    "vbench_static",
    "warping_error",
    "warping_ok_share",
]
