"""Which frames of a clip a backbone sees, and at which size. Each way has a name that goes into metric ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor

from metrics.errors import MetricError
from metrics.functional.checks import check_batch, check_frames

Clips = UInt8[Tensor, "batch time 3 height width"]

Resize = Literal["bilinear", "antialias"]
"""Filter of `squashed`."""


def check_frame_count(frames: int, at_least: int, backbone: str) -> None:
    """Refuse a number of frames that a backbone cannot be asked to see.

    Raises:
        MetricError: Naming both numbers.
    """
    if isinstance(frames, bool) or not isinstance(frames, int) or frames < at_least:
        raise MetricError(f"{backbone}: frames must be a whole number of at least {at_least}, got {frames!r}")


def check_stride(stride: int, backbone: str) -> None:
    """Refuse a stride that is no whole number of at least 1.

    Raises:
        MetricError: Naming it.
    """
    if isinstance(stride, bool) or not isinstance(stride, int) or stride < 1:
        raise MetricError(f"{backbone}: stride must be a whole number of at least 1, got {stride!r}")


def frames_policy(frames: int, stride: int) -> str:
    """The first so many frames, or every so many-th of them: `16f`, `16f-stride2`."""
    return f"{frames}f" if stride == 1 else f"{frames}f-stride{stride}"


def first_frames(clips: Clips, frames: int, backbone: str) -> UInt8[Tensor, "batch frames 3 height width"]:
    """The first so many frames of each clip, `16f` in a policy.

    Raises:
        ClipError: `clips` is no uint8 batch, or has fewer frames; none is ever repeated.
    """
    check_batch(clips)
    check_frames(clips.transpose(0, 1), frames, backbone)
    return clips[:, :frames]


def uniform_frames(clips: Clips, frames: int, backbone: str) -> UInt8[Tensor, "batch frames 3 height width"]:
    """So many frames spread evenly over each clip, both ends among them, `8f-uniform` in a policy.

    Those nearest to i * (time - 1) / (frames - 1), halves rounded up; a single frame is the middle one.

    Raises:
        ClipError: `clips` is no uint8 batch, or has fewer frames; none is ever repeated.
    """
    check_batch(clips)
    check_frames(clips.transpose(0, 1), frames, backbone)
    return clips[:, uniform_places(clips.shape[1], frames)]


def uniform_places(time: int, frames: int) -> list[int]:
    """Which of `time` frames `uniform_frames` takes."""
    last, gaps = time - 1, frames - 1
    return [(2 * index * last + gaps) // (2 * gaps) for index in range(frames)] if gaps else [last // 2]


def frames_seen(network: Any, frames: int) -> Sequence[int]:
    """Which frames of a clip of so many a network looks at; all of them where it does not say."""
    return network.frames_seen(frames) if hasattr(network, "frames_seen") else range(frames)


def squashed(
    frames: UInt8[Tensor, "*rest height width"], size: tuple[int, int], *, antialias: bool = False
) -> Float32[Tensor, "*rest y x"]:
    """Frames at another size whatever their shape, in levels 0 to 255, not rounded.

    Bilinear between pixel centres (align_corners=False): `bilinear` in a policy, or `antialias` where the filter is
    widened when frames shrink.
    """
    levels = frames.float()
    if levels.shape[-2:] == size:
        return levels
    images = levels.flatten(0, -4)
    images = F.interpolate(images, size, mode="bilinear", antialias=antialias, align_corners=False)
    return images.unflatten(0, frames.shape[:-3])


def cropped(frames: UInt8[Tensor, "*rest height width"], side: int) -> Float32[Tensor, "*rest side side"]:
    """The square in the middle, after `squashed` to a short side of `side`: `short224-crop-bilinear` in a policy.

    The long side is rounded up, the square's place down.
    """
    height, width = frames.shape[-2:]
    short = min(height, width)
    resized = squashed(frames, (-(-height * side // short), -(-width * side // short)))
    top, left = ((length - side) // 2 for length in resized.shape[-2:])
    return resized[..., top : top + side, left : left + side]


def in_unit_range(levels: Float32[Tensor, "*shape"]) -> Float32[Tensor, "*shape"]:
    """Levels 0 to 255 as values in [-1, 1]."""
    return (levels / 127.5).sub_(1)


def channels_first(clips: Float32[Tensor, "batch time 3 h w"]) -> Float32[Tensor, "batch 3 time h w"]:
    """The order that 3D convolutions want."""
    return clips.transpose(1, 2)
