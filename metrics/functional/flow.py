"""Optical flow without weights: dense inverse search (Kroeger, Timofte, Dai and Van Gool, ECCV 2016) as in OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from metrics.functional.checks import check_side

FlowEstimator = Callable[[UInt8[np.ndarray, "t h w 3"]], Float32[np.ndarray, "pairs y x 2"]]
"""Flow (dx, dy) from each frame to the next, in pixels of the size (y, x) that the estimator works at."""

FLOW_SIDE = 256
"""Clips with a longer short side are shrunk to this one before flow is computed; others are taken as they are."""

MIN_SIDE = 16
"""On smaller ones DIS can read past the image."""

_FULL_RESOLUTION_BELOW = 128


def flow_frames(pixels: UInt8[np.ndarray, "t h w 3"]) -> UInt8[np.ndarray, "t y x 3"]:
    """The clip at the size that flow is computed on: at most `FLOW_SIDE` along its short side, by area averaging.

    Raises:
        ClipError: Frames are smaller than `MIN_SIDE`.
    """
    height, width = pixels.shape[1:3]
    check_side((height, width), MIN_SIDE, "optical flow")
    short = min(height, width)
    if short <= FLOW_SIDE:
        return pixels
    size = (round(width * FLOW_SIDE / short), round(height * FLOW_SIDE / short))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in pixels])


def dis_flow(pixels: UInt8[np.ndarray, "t h w 3"]) -> Float32[np.ndarray, "pairs y x 2"]:
    """DIS flow from each frame to the next at the size of `flow_frames`: the estimator that needs no weights.

    Raises:
        ClipError: Frames are smaller than `MIN_SIDE`.
    """
    return clip_flow(flow_frames(pixels))


def clip_flow(pixels: UInt8[np.ndarray, "t y x 3"], *, backward: bool = False) -> Float32[np.ndarray, "pairs y x 2"]:
    """Flow (dx, dy) in pixels from each frame to the next, or with `backward` from each next frame back.

    The medium preset of DIS. Its pyramid stops at half resolution, which on small frames leaves too few pixels: below a
    short side of 128 it goes down to full resolution, and skips the refinement that then costs most and gains least.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    if min(pixels.shape[1:3]) < _FULL_RESOLUTION_BELOW:
        dis.setFinestScale(0)
        dis.setVariationalRefinementIterations(0)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in pixels]
    frames = grey[::-1] if backward else grey
    # None, and not an array to fill: DIS would take that as a first guess of the flow. Its type stub lacks the None.
    flows = [dis.calc(start, end, None) for start, end in pairwise(frames)]  # pyright: ignore[reportCallIssue, reportArgumentType]
    return np.stack(flows[::-1] if backward else flows)
