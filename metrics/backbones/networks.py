"""The two kinds of backbone: a function of uint8 clips or frames, in the checks and arithmetic all of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from metrics.backbones.arithmetic import fixed_arithmetic
from metrics.backbones.clip_sampling import Clips, first_frames, uniform_frames, uniform_places
from metrics.functional.checks import check_batch, check_clip


@dataclass(kw_only=True, eq=False)
class ClipNetwork:
    """A `VideoBackbone`.

    Attributes:
        frames: How many frames from the start of a clip are seen; None for a network that takes all of them.
        stride: Of so many frames one is seen.
        chosen: Which frames of so many a network looks at that takes all of them.
        device: Where the network is.
        network: uint8 clips of that many frames on that device -> (batch, dimensions).
    """

    name: str
    weights_hash: str
    policy: str
    dimensions: int
    frames: int | None
    device: torch.device
    network: Callable[[Clips], Float[Tensor, "batch dimensions"]]
    stride: int = 1
    chosen: Callable[[int], Sequence[int]] = range

    def features(self, clips: Clips) -> Float32[Tensor, "batch dimensions"]:
        """One feature per clip, on the CPU.

        Raises:
            ClipError: `clips` is no uint8 batch, or its clips have too few frames.
        """
        if self.frames is None:
            check_batch(clips)
        else:
            clips = first_frames(clips, (self.frames - 1) * self.stride + 1, self.name)[:, :: self.stride]
        if len(clips) == 0:
            return torch.zeros(0, self.dimensions)
        with fixed_arithmetic(self.device):
            return self.network(clips.to(self.device)).float().cpu()

    def frames_seen(self, frames: int) -> Sequence[int]:
        """Which frames of a clip of so many `features` needs, in rising order; of these alone it sees the same."""
        if self.frames is None:
            return self.chosen(frames)
        return range(min(frames, (self.frames - 1) * self.stride + 1))


@dataclass(kw_only=True, eq=False)
class FrameNetwork:
    """A `FrameBackbone`.

    Attributes:
        frames: How many frames of a clip are seen, spread evenly.
        device: Where the network is.
        network: uint8 frames on that device -> (n, dimensions).
    """

    name: str
    weights_hash: str
    policy: str
    dimensions: int
    frames: int
    device: torch.device
    network: Callable[[UInt8[Tensor, "n 3 height width"]], Float[Tensor, "n dimensions"]]

    def sample(self, clips: Clips) -> UInt8[Tensor, "batch frames 3 height width"]:
        """`frames` frames of each clip, spread evenly with both ends.

        Raises:
            ClipError: `clips` is no uint8 batch, or its clips have fewer than `frames` frames.
        """
        return uniform_frames(clips, self.frames, self.name)

    def frames_seen(self, frames: int) -> Sequence[int]:
        """Which frames of a clip of so many `sample` gives, in rising order; of these alone it gives all."""
        return range(frames) if frames < self.frames else uniform_places(frames, self.frames)

    def frame_features(self, frames: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n dimensions"]:
        """One feature per frame, on the CPU.

        Raises:
            ClipError: `frames` is no uint8 tensor of at least one frame.
        """
        check_clip(frames)
        with fixed_arithmetic(self.device):
            return self.network(frames.to(self.device)).float().cpu()
