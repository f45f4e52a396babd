"""What a network must offer so that distances between sets of clips can be computed from its features."""

from __future__ import annotations

from typing import Protocol

from jaxtyping import Float32, UInt8
from torch import Tensor


class VideoBackbone(Protocol):
    """A fixed network that turns clips into features. Nothing in it depends on the other clips of a batch.

    One with a method `frames_seen(frames)`, which frames of a clip of so many count, is given these alone when a run is
    scored; of these alone it must look at all.

    Attributes:
        name: Name in the registry of backbones, such as `i3d`.
        weights_hash: Start of the sha256 of the weights, 12 hex digits.
        policy: Which frames are seen at which size, such as `16f-224-bilinear`; part of every metric id.
        dimensions: Length of a feature.
    """

    name: str
    weights_hash: str
    policy: str
    dimensions: int

    def features(self, clips: UInt8[Tensor, "batch time 3 height width"]) -> Float32[Tensor, "batch dimensions"]:
        """One feature per clip, on the CPU.

        Raises:
            ClipError: `clips` is no uint8 batch, or its clips have too few frames for the policy.
        """
        ...


class FrameBackbone(Protocol):
    """A fixed network that turns single frames into features. Nothing in it depends on the other frames.

        frames = backbone.sample(clips)
        backbone.frame_features(frames.flatten(0, 1))

    Attributes:
        name: Name in the registry of backbones, such as `inception`.
        weights_hash: Start of the sha256 of the weights, 12 hex digits.
        policy: Which frames of a clip are seen at which size, such as `8f-uniform-299-bilinear`.
        dimensions: Length of a feature.
    """

    name: str
    weights_hash: str
    policy: str
    dimensions: int

    def sample(self, clips: UInt8[Tensor, "batch time 3 height width"]) -> UInt8[Tensor, "batch frames 3 height width"]:
        """The frames of each clip that the policy names.

        Raises:
            ClipError: `clips` is no uint8 batch, or its clips have too few frames for the policy.
        """
        ...

    def frame_features(self, frames: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n dimensions"]:
        """One feature per frame, on the CPU.

        Raises:
            ClipError: `frames` is no uint8 tensor of at least one frame.
        """
        ...
