"""Whether a clip moves, by the rule of VBench."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8
from torch import Tensor

from metrics.errors import ClipError
from metrics.functional.checks import checked_frame_rate
from metrics.functional.flow import FlowEstimator, dis_flow
from metrics.functional.motion import NOMINAL_FPS, NOMINAL_SIDE, strongest_motion
from metrics.functional.pixels import per_clip

STRONGEST = 0.05
MOVES_ABOVE = 6.0
"""Pixels per step at a short side of 256 and 8 frames per second."""


def dynamic_degree(
    preds: UInt8[Tensor, "b t 3 h w"], *, fps: float | None = None, flow: FlowEstimator = dis_flow
) -> Float64[Tensor, " b"]:
    """1 for each clip that moves, 0 for the others (VBench, Huang et al., CVPR 2024).

    Every `sampling_step(fps)`-th frame is taken. A pair of neighbours among these N frames moves where the longest 5 %
    of its flow vectors are longer than 6 pixels on average, at a short side of 256; at less than 8 frames per second
    that length grows with the time between frames. The clip moves where at least round(4 N / 16) pairs do, and at least
    one: VBench's own rule asks for none where N is 2, so that a still of two frames would move.

    Args:
        preds: uint8 RGB clips.
        fps: Their frame rate. None takes it to be 8, so every frame is used.
        flow: Optical flow; VBench uses RAFT.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, `fps` is not positive, or fewer than two frames are left at 8 per
            second.
    """
    fps = checked_frame_rate(fps)
    step = sampling_step(fps)

    def formula(pixels: np.ndarray) -> float:
        check_sampled(len(pixels), step)
        return clip_dynamic_degree(moving_pairs(flow(pixels[::step]), fps))

    return per_clip("dynamic_degree", preds, formula, min_frames=2)


def sampling_step(fps: float | None) -> int:
    """Which every how-many-th frame is taken, for about 8 frames per second."""
    return 1 if fps is None else max(1, round(fps / NOMINAL_FPS))


def check_sampled(frames: int, step: int) -> None:
    """Refuse a clip of which a single frame is left after sampling.

    Raises:
        ClipError: Naming both numbers.
    """
    if frames <= step:
        raise ClipError(
            f"dynamic_degree needs at least 2 frames at about 8 per second, and of {frames} frames takes one in {step}",
            hint="the clip is too short for its frame rate",
        )


def moving_pairs(flow: Float32[np.ndarray, "pairs y x 2"], fps: float | None) -> Bool[np.ndarray, " pairs"]:
    """Which pairs of sampled frames move, from the flow between them."""
    slow = 1.0 if fps is None else max(1.0, NOMINAL_FPS / fps)
    threshold = MOVES_ABOVE * slow * min(flow.shape[1:3]) / NOMINAL_SIDE
    return strongest_motion(flow, STRONGEST) > threshold


def clip_dynamic_degree(moving: Bool[np.ndarray, " pairs"]) -> float:
    """Dynamic degree of one clip, from its `moving_pairs`."""
    needed = max(1, round(4 * (len(moving) + 1) / 16))
    return float(moving.sum() >= needed)
