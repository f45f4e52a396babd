"""Amount of motion, comparable between sizes and frame rates."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.functional.checks import check_frame_rate
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
    check_frame_rate(fps)

    def formula(pixels: np.ndarray) -> float:
        return clip_motion_magnitude(dis_flow(pixels), fps)

    return per_clip("motion_magnitude", preds, formula, min_frames=2)


def clip_motion_magnitude(flow: Float32[np.ndarray, "pairs y x 2"], fps: float | None) -> float:
    """Normalised mean length of a clip's flow: mean |flow| * 256 / min(h, w) * fps / 8."""
    length = np.hypot(flow[..., 0], flow[..., 1]).mean(dtype=np.float64)
    rate = NOMINAL_FPS if fps is None else fps
    return float(length * NOMINAL_SIDE / min(flow.shape[1:3]) * rate / NOMINAL_FPS)


def strongest_motion(flow: Float32[np.ndarray, "pairs y x 2"], share: float) -> Float64[np.ndarray, " pairs"]:
    """Mean length of the longest flow vectors of each pair of frames, in pixels; `share` says how many of them."""
    lengths = np.hypot(flow[..., 0], flow[..., 1]).reshape(len(flow), -1)
    count = int(lengths.shape[1] * share)
    return np.partition(lengths, -count, axis=1)[:, -count:].mean(axis=1, dtype=np.float64)
