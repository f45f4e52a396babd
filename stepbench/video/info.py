"""What is known of a video file, and what goes wrong with one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stepbench.errors import StepbenchError


class VideoError(StepbenchError):
    """A file that is no video, is cut off, or holds nothing that can be scored."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What the container says. `frames` is its claim (0 if it makes none); only decoding proves it."""

    frames: int
    fps: float
    height: int
    width: int
    codec: str


@dataclass(frozen=True, kw_only=True)
class VideoClip:
    """A decoded clip.

    Attributes:
        frames: uint8 RGB (time, 3, height, width).
        fps: Frames per second, average rate of the container.
    """

    frames: np.ndarray
    fps: float
