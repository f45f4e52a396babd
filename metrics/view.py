"""One decoded clip and everything that metrics derive from it, each computed once and only when asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, UInt8
from torch import Tensor

from metrics.errors import MissingInputError
from metrics.functional.checks import check_clip, check_frame_rate
from metrics.functional.flow import clip_flow, flow_frames
from metrics.functional.pixels import interleaved

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
