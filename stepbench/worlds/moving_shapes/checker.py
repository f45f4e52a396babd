"""Does a clip show what its ground truth says? One answer per attribute, from pixels alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from jaxtyping import UInt8

from stepbench.worlds.moving_shapes.measure import ClipMeasurement, GroupMeasurement, measure_clip
from stepbench.worlds.moving_shapes.scene import CAMERA_PATTERNS, STILL, Scene, ShapeGroup

ATTRIBUTES = (
    "colour",
    "shape",
    "size",
    "direction",
    "speed",
    "count",
    "background",
    "relation",
    "pattern",
    "clutter",
    "camera",
)

_GROUP_ATTRIBUTES = ("colour", "shape", "size", "direction", "speed", "count")


def attributes_of(scene: Scene) -> tuple[str, ...]:
    """The attributes that a clip of this scene is checked for.

    Speed needs motion; count is checked from level 2 on; pattern where the background has one, camera where that
    pattern shows it; clutter on level 3.
    """
    asked = {
        "colour": True,
        "shape": True,
        "size": True,
        "direction": True,
        "speed": any(group.direction != STILL for group in scene.objects),
        "count": scene.level > 1,
        "background": True,
        "relation": scene.relation is not None,
        "pattern": scene.pattern != "plain",
        "clutter": scene.level == 3,
        "camera": scene.pattern in CAMERA_PATTERNS,
    }
    return tuple(name for name in ATTRIBUTES if asked[name])


def check_clip(frames: UInt8[np.ndarray, "t 3 h w"], ground_truth: Mapping[str, Any] | Scene) -> dict[str, bool]:
    """Compare a clip with a ground truth, attribute by attribute.

    With two objects an attribute is right if it is right for both; which measured object is which is decided by the
    assignment that makes most attributes right, colour before shape and size. What is not found is wrong.

    Args:
        frames: uint8 RGB, any number of frames, sides of at least 32 pixels.
        ground_truth: A scene, or its JSON form.

    Returns:
        Attribute -> right or wrong, for `attributes_of(scene)`.

    Raises:
        UnmeasurableClipError: `frames` is no such clip.
        SceneError: The ground truth is none of this world.
    """
    scene = ground_truth if isinstance(ground_truth, Scene) else Scene.from_json(ground_truth)
    measured = measure_clip(frames, groups=len(scene.objects))
    assigned = _assign(scene, measured.groups)
    right = {
        name: all(_same(name, group, found) for group, found in zip(scene.objects, assigned, strict=True))
        for name in _GROUP_ATTRIBUTES
    }
    right["relation"] = relation_between(assigned) == scene.relation
    right |= _background_answers(scene, measured)
    return {name: right[name] for name in attributes_of(scene)}


def relation_between(groups: Sequence[GroupMeasurement | None]) -> str | None:
    """Where the first of two measured objects lies, seen from the second, along the axis on which they differ most."""
    if len(groups) != 2 or groups[0] is None or groups[1] is None:
        return None
    dx, dy = np.subtract(groups[0].centre, groups[1].centre)
    if abs(dx) > abs(dy):
        return "left-of" if dx < 0 else "right-of"
    return "above" if dy < 0 else "below"


def _background_answers(scene: Scene, measured: ClipMeasurement) -> dict[str, bool]:
    return {
        name: getattr(measured, name) == getattr(scene, name) for name in ("background", "pattern", "clutter", "camera")
    }


def _assign(scene: Scene, found: Sequence[GroupMeasurement]) -> tuple[GroupMeasurement | None, ...]:
    """One measured group, or None, for each object of the scene."""
    padded = [*found, *[None] * (len(scene.objects) - len(found))]

    def agreement(order: Sequence[GroupMeasurement | None]) -> tuple[int, ...]:
        pairs = list(zip(scene.objects, order, strict=True))
        agreeing = [sum(_same(name, group, seen) for group, seen in pairs) for name in _GROUP_ATTRIBUTES]
        return *agreeing, int(relation_between(order) == scene.relation)

    return max(permutations(padded), key=agreement)


def _same(name: str, group: ShapeGroup, found: GroupMeasurement | None) -> bool:
    return found is not None and getattr(found, name) == getattr(group, name)
