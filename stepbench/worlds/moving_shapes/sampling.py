"""Which scenes are drawn, and which of them a model may be trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from stepbench.canonical import sha256_json
from stepbench.errors import UsageError
from stepbench.worlds.moving_shapes.scene import (
    BACKGROUNDS,
    CAMERA_PATTERNS,
    CAMERAS,
    COLOURS,
    COUNTS,
    DIRECTIONS,
    PATTERNS,
    RELATIONS,
    SHAPES,
    SIZES,
    SPEEDS,
    STILL,
    Scene,
    SceneError,
    ShapeGroup,
)

KINDS = {1: ("one-object",), 2: ("two-objects", "counting", "relation", "camera"), 3: ("texture",)}
"""Level -> kinds of scene that are drawn with equal chance."""

_Option = TypeVar("_Option")


def split_of(scene: Scene) -> str:
    """`train`, `test`, or `mixed` for two objects of which only one may be trained on.

    The split is decided per object from its colour, shape, size, direction and speed, so no combination of these is
    ever on both sides, whatever background, camera, count or second object comes with it. `mixed` scenes belong to
    neither side and are never drawn for one. One combination in eight is for testing: of every size and motion exactly
    three of the 24 pairs of colour and shape, which three is decided by a hash, no two of one colour or one shape.
    """
    sides = {_side_of(group) for group in scene.objects}
    return sides.pop() if len(sides) == 1 else "mixed"


def sample_scene(level: int, rng: np.random.Generator, *, split: str | None = None, kind: str | None = None) -> Scene:
    """Draw a scene.

    Args:
        level: 1, 2 or 3, see `Scene.level`.
        rng: Only its `random()` is used, whose stream is stable over NumPy versions.
        split: Draw from `train` or `test` only; None draws from everything.
        kind: One of `KINDS[level]`; None draws one of them.

    Raises:
        UsageError: A level, split or kind that does not exist.
    """
    if level not in KINDS:
        raise UsageError(f"a scene's level is 1, 2 or 3, got {level!r}")
    if split not in (None, "train", "test"):
        raise UsageError(f"split must be 'train', 'test' or None, got {split!r}")
    if kind is not None and kind not in KINDS[level]:
        raise UsageError(f"level {level} has no kind {kind!r}", hint=f"it has {', '.join(KINDS[level])}")
    while True:
        scene = _draw(kind or pick(KINDS[level], rng), rng)
        if scene is not None and split in (None, split_of(scene)):
            return scene


def pick(options: Sequence[_Option], rng: np.random.Generator) -> _Option:
    """One of `options` with equal chance."""
    return options[int(rng.random() * len(options))]


def _side_of(group: ShapeGroup) -> str:
    offset = int(sha256_json([group.size, group.direction, group.speed])[:8], 16)
    place = COLOURS.index(group.colour) + 2 * SHAPES.index(group.shape)
    return "test" if (place + offset) % 8 == 0 else "train"


def _draw(kind: str, rng: np.random.Generator) -> Scene | None:
    """A scene of this kind, or None where the draw breaks a rule of the world."""
    try:
        if kind == "texture":
            return _texture_scene(rng)
        return _flat_scene(kind, rng)
    except SceneError:
        return None


def _flat_scene(kind: str, rng: np.random.Generator, **background: Any) -> Scene:
    camera, relation = "static", None
    if kind == "camera":
        camera = pick(CAMERAS, rng)
        background = {"pattern": "grid", **background}
    if kind == "relation":
        relation = pick(RELATIONS, rng)
        first = _draw_group(rng, size=pick(("small", "medium"), rng), speed="slow")
        motion = {"direction": first.direction, "speed": first.speed}
        objects = (first, _draw_group(rng, size=pick(("small", "medium"), rng), **motion))
    elif kind == "two-objects":
        objects = tuple(_draw_group(rng, size=pick(("small", "medium"), rng)) for _ in range(2))
    elif kind == "counting":
        objects = (_draw_group(rng, size="small", count=pick(COUNTS[1:], rng)),)
    elif camera != "static":
        objects = (_draw_group(rng, direction=STILL),)
    else:
        objects = (_draw_group(rng),)
    return Scene(objects=objects, background=pick(BACKGROUNDS, rng), camera=camera, relation=relation, **background)


def _texture_scene(rng: np.random.Generator) -> Scene | None:
    kind = pick(("one-object", "one-object", "two-objects", "relation", "camera"), rng)
    patterns = CAMERA_PATTERNS if kind == "camera" else PATTERNS
    scene = _flat_scene(kind, rng, pattern=pick(patterns, rng), clutter=pick((False, True), rng))
    return scene if scene.level == 3 else None


def _draw_group(rng: np.random.Generator, **fixed: Any) -> ShapeGroup:
    drawn: dict[str, Any] = {
        "colour": pick(COLOURS, rng),
        "shape": pick(SHAPES, rng),
        "size": pick(SIZES, rng),
        "direction": pick(DIRECTIONS, rng),
        "speed": pick(SPEEDS, rng),
    }
    drawn |= fixed
    if drawn["direction"] == STILL:
        drawn["speed"] = None
    return ShapeGroup(**drawn)
