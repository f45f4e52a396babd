"""What Diffusers pipelines return, as one clip."""

from __future__ import annotations

from typing import Any

import numpy as np

from stepbench.errors import Refused

_TOLERANCE = 1e-3
"""Rounding in half precision may step this far over the range 0 to 1."""


class OutputError(Exception):
    """The pipeline returned no picture sequence that can be a clip; the sample is recorded as failed with this text."""


def clip_of(output: Any) -> np.ndarray:
    """The first clip of a pipeline's output object.

    Args:
        output: Has `frames` (or `video`): an array or nested list (batch, time, height, width, channel), a tensor
            (batch, time, channel, height, width), or lists of PIL pictures; with or without the batch. Numbers are
            uint8, or floating point from 0 to 1.

    Returns:
        uint8 RGB array (time, channel, height, width).

    Raises:
        Refused: The pipeline's safety checker kept the clip back.
        OutputError: Anything else that is no clip.
    """
    flags = getattr(output, "nsfw_content_detected", None)
    if np.any(flags if flags is not None else False):
        raise Refused("the pipeline's safety checker flagged the clip")
    name = next((name for name in ("frames", "video") if hasattr(output, name)), None)
    if name is None:
        raise OutputError(f"{type(output).__name__} has no frames: the pipeline makes no video")
    clips = getattr(output, name)
    if clips is None or (isinstance(clips, list) and (not clips or clips[0] is None)):
        raise Refused("the pipeline returned no frames")
    frames = _array(clips)
    if frames.ndim == 5:
        frames = frames[0]
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise OutputError(f"a clip has the shape (time, height, width, 3), the pipeline returned {frames.shape}")
    return np.ascontiguousarray(_to_uint8(frames).transpose(0, 3, 1, 2))


def _array(clips: Any) -> np.ndarray:
    """Any of the forms as an array with the channel last."""
    if isinstance(clips, list):
        return np.stack([_array(item) for item in clips])
    if hasattr(clips, "detach"):
        array = clips.detach().cpu()
        return (array.float() if array.is_floating_point() else array).movedim(-3, -1).numpy()
    if hasattr(clips, "convert"):
        return np.asarray(clips.convert("RGB"))
    return np.asarray(clips)


def _to_uint8(frames: np.ndarray) -> np.ndarray:
    if frames.dtype == np.uint8:
        return frames
    if not np.issubdtype(frames.dtype, np.floating):
        raise OutputError(f"frames must be uint8 or floating point, the pipeline returned {frames.dtype}")
    low, high = float(frames.min()), float(frames.max())
    # A NaN makes both of them NaN, so the comparison is written to fail then.
    if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):
        raise OutputError(
            f"frames must lie from 0 to 1, the pipeline returned {low:g} to {high:g}; "
            "where that is nan, half precision overflowed: try dtype=float32"
        )
    return np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8)
