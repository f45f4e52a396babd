"""What a clip of the moving-shapes world shows: frozen records, the rules they obey, and their JSON form."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from stepbench.errors import StepbenchError

WORLD = "moving_shapes"
WORLD_VERSION = "1"
"""Raised whenever the same scene and seed would give other pixels, or the same caption another meaning."""

COLOURS = ("red", "yellow", "green", "cyan", "blue", "purple")
SHAPES = ("circle", "square", "triangle", "cross")
SIZES = ("small", "medium", "large")
STILL = "still"
DIRECTIONS = ("left", "right", "up", "down", "up-left", "up-right", "down-left", "down-right", STILL)
SPEEDS = ("slow", "fast")
COUNTS = (1, 2, 3, 4)
BACKGROUNDS = ("black", "grey", "white")
PATTERNS = ("plain", "grid", "checks", "stripes", "dots")
CAMERAS = ("static", "pan-left", "pan-right", "pan-up", "pan-down", "zoom-in", "zoom-out")
RELATIONS = ("left-of", "right-of", "above", "below")

CAMERA_PATTERNS = ("grid", "checks", "dots")
"""Backgrounds on which every camera motion can be seen: stripes hide motion along themselves, plain hides it all."""


class SceneError(StepbenchError):
    """A scene that breaks the rules of the world."""


@dataclass(frozen=True, kw_only=True)
class ShapeGroup:
    """One shape, or `count` equal shapes that move together.

    Attributes:
        direction: Where it moves, seen against the background; `still` where it does not.
        speed: `slow` or `fast`; None exactly where `direction` is `still`.
    """

    shape: str
    colour: str
    size: str
    direction: str
    speed: str | None = None
    count: int = 1

    def __post_init__(self) -> None:
        for name, allowed in _GROUP_VALUES.items():
            _check_value(name, getattr(self, name), allowed)
        if self.direction == STILL and self.speed is not None:
            raise SceneError(f"a still object has no speed, got speed {self.speed!r}", hint="leave speed out")
        if self.direction != STILL:
            _check_value("speed", self.speed, SPEEDS)
        if self.count > 1 and self.size != "small":
            raise SceneError(
                f"several objects must be small to fit without touching, got {self.count} of size {self.size!r}",
                hint="use size 'small', or count 1",
            )


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One or two groups of shapes before a background, seen by a camera.

    Attributes:
        objects: One group, or two single objects of different colours.
        background: Its base tone.
        camera: Motion of the camera; `pan-left` makes everything drift to the right.
        relation: Where the first object lies, seen from the second; None where the scene does not say.
        pattern: Texture of the background.
        clutter: Whether small grey specks are scattered over the background.
    """

    objects: tuple[ShapeGroup, ...]
    background: str
    camera: str = "static"
    relation: str | None = None
    pattern: str = "plain"
    clutter: bool = False

    def __post_init__(self) -> None:
        for name, allowed in _SCENE_VALUES.items():
            _check_value(name, getattr(self, name), allowed)
        if len(self.objects) not in (1, 2):
            raise SceneError(f"a scene has one or two groups of objects, got {len(self.objects)}")
        if len(self.objects) == 2:
            self._check_two_objects(*self.objects)
        elif self.relation is not None:
            raise SceneError(f"relation {self.relation!r} needs two objects, got one", hint="leave relation out")
        if self.camera != "static":
            self._check_moving_camera()

    def _check_two_objects(self, first: ShapeGroup, second: ShapeGroup) -> None:
        if first.count > 1 or second.count > 1:
            raise SceneError(f"in a scene of two objects each has count 1, got {first.count} and {second.count}")
        if first.colour == second.colour:
            raise SceneError(f"two objects need different colours to be told apart, got {first.colour!r} twice")
        sizes = (first.size, second.size)
        if "large" in sizes or "small" not in sizes:
            raise SceneError(
                f"of two objects at least one is small and none is large, got {first.size!r} and {second.size!r}",
                hint="larger ones cannot move without touching",
            )
        if self.relation is not None and (first.direction, first.speed) != (second.direction, second.speed):
            raise SceneError(
                f"with a relation both objects move alike, got {first.direction!r} {first.speed!r} and "
                f"{second.direction!r} {second.speed!r}",
                hint="otherwise the relation would change during the clip",
            )
        if self.relation is not None and first.speed == "fast":
            raise SceneError("with a relation the objects are still or slow, got speed 'fast'")

    def _check_moving_camera(self) -> None:
        if self.pattern not in CAMERA_PATTERNS:
            raise SceneError(
                f"camera {self.camera!r} cannot be seen on pattern {self.pattern!r}",
                hint=f"use one of {', '.join(CAMERA_PATTERNS)}",
            )
        directions = [group.direction for group in self.objects for _ in range(group.count)]
        if directions != [STILL]:
            raise SceneError(f"a moving camera needs a single still object, got objects moving {directions}")

    @property
    def level(self) -> int:
        """1: one moving or still shape before a flat background. 2: two, several, or a camera. 3: texture, clutter."""
        if self.clutter or self.pattern not in ("plain", "grid"):
            return 3
        return 1 if self.kind == "one-object" else 2

    @property
    def kind(self) -> str:
        """The scene's category in the suite."""
        if self.clutter or self.pattern not in ("plain", "grid"):
            return "texture"
        if self.pattern == "grid":
            return "camera"
        if len(self.objects) == 2:
            return "two-objects" if self.relation is None else "relation"
        return "counting" if self.objects[0].count > 1 else "one-object"

    def to_json(self) -> dict[str, Any]:
        """The scene as the `ground_truth` of a prompt: every field, and the world's name."""
        return {"world": WORLD, **asdict(self), "objects": [asdict(group) for group in self.objects]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scene:
        """The scene that `to_json` wrote. Keys with a default may be left out; no other key is let through.

        Raises:
            SceneError: Unknown or missing keys, values outside the vocabulary, or a broken rule of the world.
        """
        _check_keys("ground truth", data, {"world", *_names(cls)}, {"world", "objects", "background"})
        _check_value("world", data["world"], (WORLD,))
        if not isinstance(data["objects"], Sequence) or isinstance(data["objects"], str):
            raise SceneError(f"objects must be a list, got {type(data['objects']).__name__}")
        groups = tuple(_group_from_json(group) for group in data["objects"])
        return cls(objects=groups, **{key: data[key] for key in _names(cls) if key in data and key != "objects"})


_GROUP_VALUES = {"shape": SHAPES, "colour": COLOURS, "size": SIZES, "direction": DIRECTIONS, "count": COUNTS}
_SCENE_VALUES = {
    "background": BACKGROUNDS,
    "camera": CAMERAS,
    "relation": (None, *RELATIONS),
    "pattern": PATTERNS,
    "clutter": (False, True),
}


def _group_from_json(data: Any) -> ShapeGroup:
    if not isinstance(data, Mapping):
        raise SceneError(f"an object must be a mapping of attributes, got {type(data).__name__}")
    _check_keys("object", data, set(_names(ShapeGroup)), {"shape", "colour", "size", "direction"})
    return ShapeGroup(**data)


def _names(record: type) -> list[str]:
    return [field.name for field in fields(record)]


def _check_keys(what: str, data: Mapping[str, Any], known: set[str], required: set[str]) -> None:
    for key in data:
        if key not in known:
            close = difflib.get_close_matches(str(key), known) or sorted(known)
            raise SceneError(f"unknown key {key!r} in {what}", hint=f"allowed: {', '.join(close)}")
    for key in sorted(required - set(data)):
        raise SceneError(f"missing key {key!r} in {what}")


def _check_value(name: str, value: Any, allowed: Sequence[Any]) -> None:
    # 1 == True in Python, so the type is compared as well.
    if not any(value == option and type(value) is type(option) for option in allowed):
        raise SceneError(
            f"{name} must be one of the world's values, got {value!r}",
            hint=f"allowed: {', '.join(str(option) for option in allowed)}",
        )
