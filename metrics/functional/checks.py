"""What a clip, a pair of clips or a batch must look like, and errors that name what arrived instead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from metrics.errors import ClipError


def check_clip(frames: Any) -> None:
    """Refuse anything but a uint8 tensor (t, 3, h, w) with at least one frame and one pixel.

    Raises:
        ClipError: Always naming the type, dtype or shape that arrived.
    """
    _check_uint8_rgb(frames, ("time", "3", "height", "width"), "a clip")


def check_batch(clips: Any) -> None:
    """Refuse anything but a uint8 tensor (b, t, 3, h, w); `b` may be 0.

    Raises:
        ClipError: Always naming the type, dtype or shape that arrived.
    """
    _check_uint8_rgb(clips, ("batch", "time", "3", "height", "width"), "a batch of clips")


def check_frames(frames: Tensor, at_least: int, metric: str) -> None:
    """Refuse a clip (t, ...) that is shorter than a metric needs.

    Raises:
        ClipError: Naming both numbers.
    """
    check_length(len(frames), at_least, metric)


def check_length(frames: int, at_least: int, metric: str) -> None:
    """Refuse a clip of so many frames that is shorter than a metric needs.

    Raises:
        ClipError: Naming both numbers.
    """
    if frames < at_least:
        raise ClipError(f"{metric} needs at least {at_least} frames, got a clip of {frames}")


def check_side(size: tuple[int, ...], at_least: int, metric: str, *, hint: str = "") -> None:
    """Refuse frames, of `size` (height, width), whose short side is below what a metric needs.

    Raises:
        ClipError: Naming the sizes.
    """
    height, width = size
    if min(size) < at_least:
        raise ClipError(
            f"{metric} needs frames of at least {at_least} x {at_least} pixels, got {height} x {width}", hint=hint
        )


def check_pair(clip: Tensor, reference: Any) -> None:
    """Refuse a reference that is no uint8 tensor of the clip's own shape.

    Raises:
        ClipError: Naming both shapes, or the dtype that arrived.
    """
    _check_tensor(reference, "a reference")
    check_same_shape(clip.shape, reference.shape)


def check_same_shape(clip: Sequence[int], reference: Sequence[int]) -> None:
    """Refuse a reference whose shape is not its clip's.

    Raises:
        ClipError: Naming both shapes.
    """
    if tuple(reference) != tuple(clip):
        raise ClipError(
            f"a reference must have its clip's shape, got {tuple(reference)} for a clip {tuple(clip)}",
            hint="decode both at the same size and number of frames",
        )


def checked_frame_rate(fps: Any) -> float | None:
    """Frames per second as a float, from a number of any kind.

    Raises:
        ClipError: It is given and not a positive, finite number; names the value.
    """
    try:
        rate = None if fps is None else float(fps)
    except (TypeError, ValueError):
        rate = math.nan
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise ClipError(f"frames per second must be a positive number or None, got {fps}")
    return rate


def check_prompt(prompt: Any) -> None:
    """Refuse a prompt that is given and no text.

    Raises:
        ClipError: Naming the type.
    """
    if prompt is not None and not isinstance(prompt, str):
        raise ClipError(f"a prompt must be a text or None, got {type(prompt).__name__}: {prompt!r}")


def _check_uint8_rgb(frames: Any, axes: tuple[str, ...], what: str) -> None:
    _check_tensor(frames, what)
    shape, layout = tuple(frames.shape), f"({', '.join(axes)})"
    if len(shape) != len(axes):
        hint = "add a leading axis of one with clip[None]" if len(shape) == len(axes) - 1 else ""
        raise ClipError(f"{what} has {len(axes)} axes {layout}, got {len(shape)} axes of shape {shape}", hint=hint)
    if shape[-3] != 3:
        hint = "move the channel forward with permute" if shape[-1] == 3 else ""
        raise ClipError(f"{what} has 3 channels at {layout}, got {shape[-3]} in shape {shape}", hint=hint)
    if 0 in shape[-4:]:
        raise ClipError(f"{what} needs at least one frame and one pixel, got shape {shape}")


def _check_tensor(frames: Any, what: str) -> None:
    if not isinstance(frames, Tensor):
        raise ClipError(
            f"{what} must be a torch tensor, got {type(frames).__name__}", hint="use torch.from_numpy for arrays"
        )
    if frames.dtype != torch.uint8:
        raise ClipError(
            f"{what} must be uint8 with levels 0 to 255, got {frames.dtype}",
            hint="round and clamp it yourself: (clip * 255).round().clamp(0, 255).to(torch.uint8) for values in 0 to 1",
        )
