"""Scenes that differ from a scene in one attribute: what a caption must be told apart from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stepbench.worlds.moving_shapes.sampling import pick, sample_scene, split_of
from stepbench.worlds.moving_shapes.scene import (
    BACKGROUNDS,
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

MAIN_ATTRIBUTES = ("colour", "shape", "size", "direction", "speed")
OTHER_ATTRIBUTES = ("background", "count", "relation", "camera", "pattern", "clutter", "binding")
ATTRIBUTES = MAIN_ATTRIBUTES + OTHER_ATTRIBUTES
"""`binding` swaps the colours of two objects, so that the same words say something else."""


def near_scenes(scene: Scene, attribute: str) -> list[Scene]:
    """All legal scenes that differ from `scene` in this attribute alone, of one object where there are two.

    Two objects with a relation move alike, so their direction and speed change together. Stopping drops the speed, and
    what starts to move is slow. Empty where the scene does not have the attribute.
    """
    if attribute in MAIN_ATTRIBUTES or attribute == "count":
        candidates = _changed_objects(scene, attribute)
    elif attribute == "binding":
        candidates = _swapped_colours(scene)
    else:
        options = _SCENE_OPTIONS[attribute]
        now = getattr(scene, attribute)
        candidates = (_scene(scene, **{attribute: option}) for option in options if option != now)
        if attribute == "relation" and now is None:
            return []
    return [found for found in candidates if found is not None and meaning(found) != meaning(scene)]


def meaning(scene: Scene) -> Scene:
    """The same for two scenes that differ in which of two objects is named first, and for no others."""
    if len(scene.objects) == 1 or scene.objects[0].colour < scene.objects[1].colour:
        return scene
    relation = _SEEN_FROM_THE_OTHER.get(scene.relation)
    return replace(scene, objects=scene.objects[::-1], relation=relation)


def scene_family(level: int, size: int, rng: np.random.Generator, split: str | None) -> list[Scene]:
    """A scene and others that differ from it in one attribute, all of one split.

    The main attributes come first, each with one wrong value, and direction, which is learned last, with two; the rest
    is drawn from all attributes.

    Args:
        level: Of the first scene.
        size: How many scenes; the first few attributes only where it is small.
        rng: Only its `random()` is used.
        split: `train`, `test` or None.
    """
    first = sample_scene(level, rng, split=split)
    choices = {name: _of_split(near_scenes(first, name), split) for name in ATTRIBUTES}
    family = [first]
    for name in (*MAIN_ATTRIBUTES, "direction"):
        left = [scene for scene in choices[name] if scene not in family]
        if left:
            family.append(pick(left, rng))
    while len(family) < size:
        found = pick(choices[pick([name for name in ATTRIBUTES if choices[name]], rng)], rng)
        if meaning(found) not in map(meaning, family):
            family.append(found)
    return family[:size]


_SEEN_FROM_THE_OTHER = {"left-of": "right-of", "right-of": "left-of", "above": "below", "below": "above", None: None}
_SCENE_OPTIONS: dict[str, Sequence[Any]] = {
    "background": BACKGROUNDS,
    "relation": RELATIONS,
    "camera": CAMERAS,
    "pattern": PATTERNS,
    "clutter": (False, True),
}
_OBJECT_OPTIONS: dict[str, Sequence[Any]] = {
    "colour": COLOURS,
    "shape": SHAPES,
    "size": SIZES,
    "direction": DIRECTIONS,
    "speed": SPEEDS,
    "count": COUNTS,
}


def _of_split(scenes: Sequence[Scene], split: str | None) -> list[Scene]:
    return [scene for scene in scenes if split is None or split_of(scene) == split]


def _changed_objects(scene: Scene, attribute: str) -> Iterator[Scene | None]:
    together = scene.relation is not None and attribute in ("direction", "speed")
    places = [range(len(scene.objects))] if together else [(place,) for place in range(len(scene.objects))]
    for changed in places:
        for option in _OBJECT_OPTIONS[attribute]:
            yield _scene(scene, changed, attribute, option)


def _swapped_colours(scene: Scene) -> Iterator[Scene | None]:
    if len(scene.objects) == 2:
        first, second = scene.objects
        yield replace(scene, objects=(replace(first, colour=second.colour), replace(second, colour=first.colour)))


def _scene(
    scene: Scene, changed: Sequence[int] = (), attribute: str = "", option: Any = None, **fields: Any
) -> Scene | None:
    """The scene with these changes, or None where they break a rule of the world."""
    try:
        objects = tuple(
            _changed(group, attribute, option) if place in changed else group
            for place, group in enumerate(scene.objects)
        )
        return replace(scene, objects=objects, **fields)
    except SceneError:
        return None


def _changed(group: ShapeGroup, attribute: str, option: Any) -> ShapeGroup:
    if attribute != "direction":
        return replace(group, **{attribute: option})
    speed = None if option == STILL else group.speed or "slow"
    return replace(group, direction=option, speed=speed)
