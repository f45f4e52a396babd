"""Temporal flickering as VBench reports it: of clips that pass its test for stillness only."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, UInt8
from torch import Tensor

from metrics.errors import UndefinedScoreError
from metrics.functional.checks import check_batch, check_frames
from metrics.functional.flicker import clip_flicker, frame_steps
from metrics.functional.flow import FlowEstimator, dis_flow
from metrics.functional.motion import NOMINAL_SIDE, strongest_motion
from metrics.functional.pixels import interleaved, per_clip

STRONGEST = 0.02
STILL_UP_TO = 3.0
"""Pixels per step at a short side of 256."""


def vbench_flicker(preds: UInt8[Tensor, "b t 3 h w"], *, flow: FlowEstimator = dis_flow) -> Float64[Tensor, " b"]:
    """1 minus `flicker` of each clip (VBench, Huang et al., CVPR 2024), defined for static clips only.

    Args:
        preds: uint8 RGB clips, each of them static by `vbench_static`.
        flow: Optical flow; VBench uses RAFT.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have a single frame.
        UndefinedScoreError: A clip is not static.
    """

    def formula(pixels: np.ndarray) -> float:
        return clip_vbench_flicker(frame_steps(pixels), static=_static(pixels, flow))

    return per_clip("vbench_flicker", preds, formula, min_frames=2)


def vbench_static(preds: UInt8[Tensor, "b t 3 h w"], *, flow: FlowEstimator = dis_flow) -> Bool[Tensor, " b"]:
    """Whether each clip is static, by VBench's filter for its temporal flickering dimension.

    With the mean of the longest 2 % of flow vectors as the motion of two frames, and 3 pixels at a short side of 256 as
    the limit: at most k = round(2 t / 16) pairs of neighbours exceed the limit, and the first and the last frame, in
    either direction, do not exceed it 2 k times. Clips of up to 4 frames have k = 0, so that they must not move at all.

    Args:
        preds: uint8 RGB clips.
        flow: Optical flow; VBench uses RAFT.

    Raises:
        ClipError: `preds` is no uint8 RGB batch, or its clips have a single frame.
    """
    check_batch(preds)
    check_frames(preds.transpose(0, 1), 2, "vbench_static")
    return torch.tensor([_static(interleaved(clip), flow) for clip in preds], dtype=torch.bool)


def clip_vbench_flicker(steps: Float64[np.ndarray, " pairs"], *, static: bool) -> float:
    """VBench's flickering score of one clip, from its `frame_steps`.

    Raises:
        UndefinedScoreError: The clip is not static.
    """
    if not static:
        raise UndefinedScoreError(
            "vbench_flicker is undefined: the clip does not pass VBench's static filter; motion would count as flicker",
            hint="use prompts for still scenes, or see flicker and warping_error, which take any clip",
        )
    return 1 - clip_flicker(steps)


def unsteady_pairs(flow: Float32[np.ndarray, "pairs y x 2"]) -> Bool[np.ndarray, " pairs"]:
    """Which pairs of neighbours move more than VBench's static filter takes for stillness, from their flow."""
    return strongest_motion(flow, STRONGEST) > _limit(flow)


def clip_static(unsteady: Bool[np.ndarray, " pairs"], between_ends: Float32[np.ndarray, "2 y x 2"]) -> bool:
    """VBench's static filter for one clip, from its `unsteady_pairs` and the flow of first to last frame and back."""
    allowed = round(2 * (len(unsteady) + 1) / 16)
    far_apart = strongest_motion(between_ends, STRONGEST) > 2 * allowed * _limit(between_ends)
    return bool(unsteady.sum() <= allowed and not far_apart.any())


def ends(first: UInt8[np.ndarray, "h w 3"], last: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "3 h w 3"]:
    """The first frame, the last one and the first again: a clip whose two steps are what `clip_static` needs."""
    return np.stack([first, last, first])


def _limit(flow: Float32[np.ndarray, "pairs y x 2"]) -> float:
    return STILL_UP_TO * min(flow.shape[1:3]) / NOMINAL_SIDE


def _static(pixels: UInt8[np.ndarray, "t h w 3"], flow: FlowEstimator) -> bool:
    return clip_static(unsteady_pairs(flow(pixels)), flow(ends(pixels[0], pixels[-1])))
