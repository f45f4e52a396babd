"""Where the camera looks and where objects are, frame by frame.

A world point q is seen at middle + (q - middle) * scale + shift, with scale and shift given by the camera. Objects
start where they stay inside the frame for the whole clip and never touch one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from stepbench.worlds.moving_shapes.appearance import (
    DIRECTION_VECTOR,
    HALF_SIZE,
    PAN_LENGTH,
    PATH_LENGTH,
    ZOOM_SCALE,
    Array,
)
from stepbench.worlds.moving_shapes.scene import Scene, ShapeGroup

GAP = 0.04
"""Least free space between two objects, in units of the frame's shorter side."""

CANDIDATES = 256
_CHECKED_TIMES = np.linspace(0.0, 1.0, 9)


@dataclass(frozen=True)
class CameraPath:
    """Magnification and shift of the picture in every frame.

    Attributes:
        scale: 1 where the camera does not zoom.
        shift: (x, y) in units of the frame's shorter side.
        progress: 0 in the first frame, 1 in the last; 0 in a clip of one frame.
    """

    scale: Float[Array, " t"]
    shift: Float[Array, "t 2"]
    progress: Float[Array, " t"]


def camera_path(camera: str, frames: int) -> CameraPath:
    """The path of a camera from `scene.CAMERAS` over so many frames."""
    return _camera_at(camera, np.arange(frames) / max(frames - 1, 1))


def place_objects(
    scene: Scene, path: CameraPath, span: tuple[float, float], rng: np.random.Generator
) -> list[Float[Array, "count t 2"]]:
    """Draw starting points and return the centre of every object in every frame, one array per group.

    One object is placed uniformly where it stays inside the frame. For several, candidates are drawn that go from
    uniform to pushed into the corners, and the first without contact (and with the relation) is taken, or the one
    that comes closest to it.
    """
    groups = [group for group in scene.objects for _ in range(group.count)]
    boxes = [_start_box(group, scene.camera, span) for group in groups]
    if len(groups) == 1:
        low, high = boxes[0]
        starts = (low + rng.random(2) * (high - low))[None]
    else:
        starts = _best_candidate(_candidates(boxes, rng), groups, scene.relation)
    centres = [_track(start, group, path, span) for start, group in zip(starts, groups, strict=True)]
    placed, first = [], 0
    for group in scene.objects:
        placed.append(np.stack(centres[first : first + group.count]))
        first += group.count
    return placed


def _camera_at(camera: str, progress: Float[Array, " t"]) -> CameraPath:
    first, last = ZOOM_SCALE.get(camera, (1.0, 1.0))
    scale = first + (last - first) * progress
    pan = DIRECTION_VECTOR[camera.removeprefix("pan-")] if camera.startswith("pan-") else (0.0, 0.0)
    return CameraPath(scale, progress[:, None] * (-PAN_LENGTH * np.array(pan)), progress)


def _velocity(group: ShapeGroup) -> Float[Array, 2]:
    length = PATH_LENGTH[group.speed] if group.speed else 0.0
    return length * np.array(DIRECTION_VECTOR[group.direction])


def _track(
    start: Float[Array, 2], group: ShapeGroup, path: CameraPath, span: tuple[float, float]
) -> Float[Array, "t 2"]:
    middle = np.array(span) / 2
    world = start + path.progress[:, None] * _velocity(group)
    return middle + (world - middle) * path.scale[:, None] + path.shift


def _start_box(group: ShapeGroup, camera: str, span: tuple[float, float]) -> tuple[Float[Array, 2], Float[Array, 2]]:
    """Where the group's centre may start, in world coordinates, so that it is inside in the first and last frame."""
    middle, half, lows, highs = np.array(span) / 2, HALF_SIZE[group.size], [], []
    ends = _camera_at(camera, np.array([0.0, 1.0]))
    for progress, scale, shift in zip(ends.progress, ends.scale, ends.shift, strict=True):
        reach = middle / scale - half
        offset = middle - shift / scale - progress * _velocity(group)
        lows.append(offset - reach)
        highs.append(offset + reach)
    return np.maximum(*lows), np.minimum(*highs)


def _candidates(
    boxes: list[tuple[Float[Array, 2], Float[Array, 2]]], rng: np.random.Generator
) -> Float[Array, "candidate n 2"]:
    low, high = (np.stack(ends) for ends in zip(*boxes, strict=True))
    uniform = rng.random((CANDIDATES, len(boxes), 2))
    push = np.linspace(0.0, 1.0, CANDIDATES)[:, None, None]
    return low + (uniform + push * (np.floor(uniform + 0.5) - uniform)) * (high - low)


def _best_candidate(
    starts: Float[Array, "candidate n 2"], groups: list[ShapeGroup], relation: str | None
) -> Float[Array, "n 2"]:
    """The first candidate that keeps the gap at all times, or the one with the largest."""
    # Several objects never meet a moving camera, so world and frame coordinates are the same here.
    velocity = np.stack([_velocity(group) for group in groups])
    half = np.array([HALF_SIZE[group.size] for group in groups])
    first, second = np.triu_indices(len(groups), 1)
    apart = (starts[:, first] - starts[:, second])[:, None] + _CHECKED_TIMES[:, None, None] * (
        velocity[first] - velocity[second]
    )
    gap = (np.abs(apart).max(axis=-1) - half[first] - half[second]).min(axis=(1, 2))
    if relation is not None:
        gap = np.where(_relation_holds(apart[:, 0, 0], relation), gap, gap - 10.0)
    good = np.flatnonzero(gap >= GAP)
    return starts[good[0] if len(good) else np.argmax(gap)]


def _relation_holds(apart: Float[Array, "candidate 2"], relation: str) -> Array:
    axis, sign = {"left-of": (0, -1), "right-of": (0, 1), "above": (1, -1), "below": (1, 1)}[relation]
    return sign * apart[:, axis] >= 2 * np.abs(apart[:, 1 - axis])
