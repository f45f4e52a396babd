"""One decoded clip and everything that metrics derive from it, each computed once and only when asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.errors import MissingInputError
from metrics.functional.checks import check_clip, check_frame_rate
from metrics.functional.flicker import frame_steps
from metrics.functional.flow import FlowEstimator, clip_flow, dis_flow, flow_frames
from metrics.functional.pixels import interleaved, luma
from metrics.functional.warping import Warping, clip_warping

Derived = TypeVar("Derived")


class ClipView:
    """A clip as metrics see it. Metrics that share one view share one decode, one resize and one optical flow.

    Args:
        frames: uint8 RGB (t, 3, h, w), on any device.
        reference: The clip that `frames` should equal, same shape; checked by the metrics that need it.
        prompt: The text that the clip was made from.
        ground_truth: What a correct clip shows, in the terms of the suite's world.
        fps: Frames per second, where known.

    Raises:
        ClipError: `frames` is not a uint8 tensor of shape (t, 3, h, w), or `fps` is not a positive number.
    """

    def __init__(
        self,
        frames: Tensor,
        reference: Tensor | None = None,
        prompt: str | None = None,
        ground_truth: Mapping[str, Any] | None = None,
        fps: float | None = None,
    ) -> None:
        check_clip(frames)
        check_frame_rate(fps)
        self.frames: UInt8[Tensor, "t 3 h w"] = frames
        self.reference = reference
        self.prompt = prompt
        self.ground_truth = ground_truth
        self.fps = fps
        self._flows: dict[tuple[FlowEstimator, int], Float32[np.ndarray, "pairs y x 2"]] = {}
        self._derived: dict[Hashable, Any] = {}

    def once(self, key: Hashable, derive: Callable[[], Derived]) -> Derived:
        """What `derive` gives, computed for the first metric that asks under this key and kept for all others."""
        if key not in self._derived:
            self._derived[key] = derive()
        return self._derived[key]

    @cached_property
    def pixels(self) -> UInt8[np.ndarray, "t h w 3"]:
        """The frames with the channel last, as OpenCV wants them."""
        return interleaved(self.frames)

    @cached_property
    def reference_pixels(self) -> UInt8[np.ndarray, "t h w 3"]:
        """The reference with the channel last.

        Raises:
            MissingInputError: No reference was given.
        """
        if self.reference is None:
            raise MissingInputError("this view has no reference", hint="pass it as ClipView(frames, reference)")
        return interleaved(self.reference)

    @cached_property
    def luma(self) -> Float32[np.ndarray, "t h w"]:
        """Rec. 601 luma of the frames in levels 0 to 255, not rounded."""
        return luma(self.pixels)

    @cached_property
    def frame_steps(self) -> Float64[np.ndarray, " pairs"]:
        """Mean absolute difference of each frame to its successor, on [0, 1]."""
        return frame_steps(self.pixels)

    @cached_property
    def flow_pixels(self) -> UInt8[np.ndarray, "t y x 3"]:
        """The frames at the size on which optical flow is computed."""
        return flow_frames(self.pixels)

    @cached_property
    def forward_flow(self) -> Float32[np.ndarray, "pairs y x 2"]:
        """Optical flow from each frame to the next, (dx, dy) in pixels of `flow_pixels`."""
        return clip_flow(self.flow_pixels)

    @cached_property
    def backward_flow(self) -> Float32[np.ndarray, "pairs y x 2"]:
        """Optical flow from each frame's successor back to it, (dx, dy) in pixels of `flow_pixels`."""
        return clip_flow(self.flow_pixels, backward=True)

    @cached_property
    def warping(self) -> Warping:
        """What remains of the change between frames once the optical flow is undone."""
        return clip_warping(self.flow_pixels, self.forward_flow, self.backward_flow)

    def flow(self, estimator: FlowEstimator, step: int = 1) -> Float32[np.ndarray, "pairs y x 2"]:
        """Optical flow by any estimator between every `step`-th frame and the next of these."""
        if estimator is dis_flow and step == 1:
            return self.forward_flow
        if (estimator, step) not in self._flows:
            self._flows[estimator, step] = estimator(self.pixels[::step])
        return self._flows[estimator, step]
