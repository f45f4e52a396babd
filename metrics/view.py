"""One decoded clip and everything that metrics derive from it, each computed once and only when asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.errors import MissingInputError
from metrics.functional.checks import check_clip, check_prompt, checked_frame_rate
from metrics.functional.flicker import frame_steps
from metrics.functional.flow import FlowEstimator, clip_flow, dis_flow, flow_frames
from metrics.functional.pixels import interleaved, luma
from metrics.functional.tone import frame_brightness
from metrics.functional.warping import pair_warping

Derived = TypeVar("Derived")


class ClipView:
    """A clip as metrics see it, or a part of one. Metrics that share one view share one decode, one resize, one flow.

    Args:
        frames: uint8 RGB (t, 3, h, w), on any device.
        reference: The clip that `frames` should equal, same shape; checked by the metrics that need it.
        prompt: The text that the clip was made from.
        ground_truth: What a correct clip shows, in the terms of the suite's world.
        fps: Frames per second, where known.
        start: Of a part, how many frames of the clip come before it.
        previous: Of a part, the frame before it, (1, 3, h, w), for pairs of neighbours.
        carried: Of a part, what metrics keep for the next one, each under its own `id`.

    Raises:
        ClipError: `frames` is not a uint8 tensor of shape (t, 3, h, w), `prompt` is no text, or `fps` no positive
            number.
    """

    def __init__(
        self,
        frames: Tensor,
        reference: Tensor | None = None,
        prompt: str | None = None,
        ground_truth: Mapping[str, Any] | None = None,
        fps: float | None = None,
        *,
        start: int = 0,
        previous: Tensor | None = None,
        carried: dict[int, Any] | None = None,
    ) -> None:
        check_clip(frames)
        check_prompt(prompt)
        self.frames: UInt8[Tensor, "t 3 h w"] = frames
        self.reference = reference
        self.prompt = prompt
        self.ground_truth = ground_truth
        self.fps = checked_frame_rate(fps)
        self.start = start
        self.previous = previous
        self.carried: dict[int, Any] = {} if carried is None else carried
        self._derived: dict[Hashable, Any] = {}

    def once(self, key: Hashable, derive: Callable[[], Derived]) -> Derived:
        """What `derive` gives, computed for the first metric that asks under this key and kept for all others."""
        if key not in self._derived:
            self._derived[key] = derive()
        return self._derived[key]

    @cached_property
    def pixels(self) -> UInt8[np.ndarray, "t h w 3"]:
        """The frames with the channel last, as OpenCV wants them."""
        return self.linked_pixels[-len(self.frames) :]

    @cached_property
    def linked_pixels(self) -> UInt8[np.ndarray, "linked h w 3"]:
        """As `pixels`, behind the frame before them where there is one: whose neighbours are the pairs of this view."""
        linked = self.frames if self.previous is None else torch.cat([self.previous, self.frames])
        return interleaved(linked)

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
    def brightness(self) -> Float64[np.ndarray, " t"]:
        """Mean of each frame's luma, in levels."""
        return frame_brightness(self.luma)

    @cached_property
    def frame_steps(self) -> Float64[np.ndarray, " pairs"]:
        """Mean absolute difference of each frame to its successor, on [0, 1]."""
        return frame_steps(self.linked_pixels)

    @cached_property
    def flow_pixels(self) -> UInt8[np.ndarray, "linked y x 3"]:
        """The frames of `linked_pixels` at the size on which optical flow is computed."""
        return flow_frames(self.linked_pixels)

    @cached_property
    def forward_flow(self) -> Float32[np.ndarray, "pairs y x 2"]:
        """Optical flow from each frame to the next, (dx, dy) in pixels of `flow_pixels`."""
        return clip_flow(self.flow_pixels)

    @cached_property
    def backward_flow(self) -> Float32[np.ndarray, "pairs y x 2"]:
        """Optical flow from each frame's successor back to it, (dx, dy) in pixels of `flow_pixels`."""
        return clip_flow(self.flow_pixels, backward=True)

    @cached_property
    def warping(self) -> Float64[np.ndarray, "pairs 3"]:
        """What remains of the change between frames once the optical flow is undone; see `pair_warping`."""
        return pair_warping(self.flow_pixels, self.forward_flow, self.backward_flow)

    def flow(self, estimator: FlowEstimator) -> Float32[np.ndarray, "pairs y x 2"]:
        """Optical flow from each frame to the next, by any estimator."""
        if estimator is dis_flow:
            return self.forward_flow
        return self.once(("flow", estimator), lambda: estimator(self.linked_pixels))
