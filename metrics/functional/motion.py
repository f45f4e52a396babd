"""Amount of motion, comparable between sizes and frame rates."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.checks import checked_frame_rate
from metrics.functional.flow import dis_flow
from metrics.functional.pixels import per_clip

NOMINAL_SIDE = 256
NOMINAL_FPS = 8.0


def motion_magnitude(preds: UInt8[Tensor, "b t 3 h w"], *, fps: float | None = None) -> Float64[Tensor, " b"]:
    """Mean length of the optical flow, as if the short side were 256 pixels and the clip ran at 8 frames per second.

    Args:
        preds: uint8 RGB clips.
        fps: Their frame rate. None takes it to be the nominal 8, so the value is the motion per frame step.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, its clips have a single frame or less than 16 x 16 pixels, or `fps` is
            not positive.
    """
    fps = checked_frame_rate(fps)

    def formula(pixels: np.ndarray) -> float:
        flow = dis_flow(pixels)
        return clip_motion_magnitude(mean_motion(flow), fps, min(flow.shape[1:3]))

    return per_clip("motion_magnitude", preds, formula, min_frames=2)


def mean_motion(flow: Float32[np.ndarray, "pairs y x 2"]) -> Float64[np.ndarray, " pairs"]:
    """Mean length of the flow of each pair of frames, in pixels."""
    return np.array([np.hypot(step[..., 0], step[..., 1]).mean(dtype=np.float64) for step in flow])


def clip_motion_magnitude(lengths: Float64[np.ndarray, " pairs"], fps: float | None, side: int) -> float:
    """Normalised mean length of a clip's flow, mean |flow| * 256 / side * fps / 8, from its `mean_motion`.

    Args:
        lengths: Of all pairs of neighbours.
        fps: Frame rate of the clip; None takes it to be 8.
        side: Short side of the frames that the flow was computed on.
    """
    rate = NOMINAL_FPS if fps is None else fps
    return float(lengths.mean() * NOMINAL_SIDE / side * rate / NOMINAL_FPS)


def strongest_motion(flow: Float32[np.ndarray, "pairs y x 2"], share: float) -> Float64[np.ndarray, " pairs"]:
    """Mean length of the longest flow vectors of each pair of frames, in pixels; `share` says how many of them."""
    lengths = np.hypot(flow[..., 0], flow[..., 1]).reshape(len(flow), -1)
    count = int(lengths.shape[1] * share)
    return np.partition(lengths, -count, axis=1)[:, -count:].mean(axis=1, dtype=np.float64)
