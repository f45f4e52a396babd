"""Clips to hold metrics against what is known of them: pans over photographs, and scenes of the moving-shapes world.

The photographs are those that scikit-image carries in its wheel, so that nothing is downloaded.
"""

from __future__ import annotations

from functools import lru_cache

import clips
import cv2
import numpy as np
import skimage.data
import torch
from torch import Tensor

from stepbench.worlds.moving_shapes import render, sample_scene

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "immunohistochemistry")


@lru_cache
def photograph(name: str) -> np.ndarray:
    """uint8 RGB (height, width, 3), 300 pixels and more along each side."""
    return getattr(skimage.data, name)()


def pan(
    name: str,
    velocity: tuple[float, float] = (1.3, 0.6),
    frames: int = 12,
    side: int = 96,
    start: tuple[float, float] = (10.0, 10.0),
) -> Tensor:
    """A clip (t, 3, side, side): a camera moves over a photograph at half its size, by pixels of the clip per frame."""
    window = [_window(name, start[0] + t * velocity[0], start[1] + t * velocity[1], side) for t in range(frames)]
    return clips.as_clip(np.stack(window))


def _window(name: str, x: float, y: float, side: int) -> np.ndarray:
    """Shifted at full size and shrunk afterwards, so that fractions of a pixel hardly blur."""
    move = np.array([[1, 0, -2 * x], [0, 1, -2 * y]])
    full = cv2.warpAffine(photograph(name).astype(np.float32), move, (2 * side, 2 * side), flags=cv2.INTER_CUBIC)
    return cv2.resize(full, (side, side), interpolation=cv2.INTER_AREA)


@lru_cache
def pans() -> Tensor:
    """A batch of pans at unequal speeds, the last of a camera that stands still but for a little."""
    velocities = ((1.3, 0.6), (0.7, -0.1), (2.1, 0.3), (-0.2, 1.1), (0.15, 0.1))
    return torch.stack([pan(name, v) for name, v in zip(PHOTOGRAPHS, velocities, strict=True)])


@lru_cache
def shapes() -> Tensor:
    """A batch of scenes with one to three moving shapes, 17 frames of 64 x 64 pixels."""
    generator = np.random.default_rng(3)
    scenes = [sample_scene(level, generator, split="test") for level in (1, 1, 2, 2, 3, 3)]
    return torch.stack([torch.from_numpy(render(scene, seed)) for seed, scene in enumerate(scenes)])


CORPORA = {"photographs": pans, "moving shapes": shapes}
