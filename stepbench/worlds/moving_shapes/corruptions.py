"""Clips that are wrong in a known way: stand-ins for imperfect models, and a ruler for metrics.

Pictures are damaged after rendering (`damage_frames`); facts are changed before it (`change_scene`). Lengths are pixels
of a frame whose shorter side is 64, and grow with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import UInt8

from stepbench.worlds.moving_shapes.appearance import Array
from stepbench.worlds.moving_shapes.sampling import pick, sample_scene
from stepbench.worlds.moving_shapes.scene import CAMERAS, COLOURS, DIRECTIONS, SHAPES, STILL, Scene

Frames = UInt8[Array, "t 3 h w"]

REFERENCE_SIDE = 64


def damage_frames(kind: str, strength: float, frames: Frames, rng: np.random.Generator) -> Frames:
    """A damaged copy of a clip.

    Args:
        kind: A key of `FRAME_DAMAGES`.
        strength: Its amount; ignored by damages that have none.
        frames: The clip; left as it is.
        rng: Used by damages that draw.
    """
    return FRAME_DAMAGES[kind](frames, strength, rng)


def change_scene(kind: str, scene: Scene, rng: np.random.Generator) -> Scene:
    """A scene that differs from `scene` in one attribute of every object, or altogether.

    Args:
        kind: A key of `SCENE_CHANGES`.
        scene: The scene that was asked for.
        rng: Chooses among the wrong values.
    """
    return SCENE_CHANGES[kind](scene, rng)


def _blur(frames: Frames, sigma: float, rng: np.random.Generator) -> Frames:
    if sigma == 0:
        return frames.copy()
    return _per_frame(frames, lambda image, _: cv2.GaussianBlur(image, (0, 0), sigma * _unit(frames)))


def _noise(frames: Frames, sigma: float, rng: np.random.Generator) -> Frames:
    return _levels(frames + sigma * rng.standard_normal(frames.shape))


def _flicker(frames: Frames, percent: float, rng: np.random.Generator) -> Frames:
    # Up and down in turn: the strongest flicker of its amplitude. The seed decides which comes first.
    signs = (1.0 if rng.random() < 0.5 else -1.0) * (-1.0) ** np.arange(len(frames))
    return _levels(frames + (2.55 * percent * signs)[:, None, None, None])


def _jitter(frames: Frames, sigma: float, rng: np.random.Generator) -> Frames:
    offsets = rng.standard_normal((len(frames), 2)) * sigma * _unit(frames)

    def shifted(image: np.ndarray, index: int) -> np.ndarray:
        matrix = np.array([[1.0, 0.0, offsets[index, 0]], [0.0, 1.0, offsets[index, 1]]])
        return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)

    return _per_frame(frames, shifted)


def _frozen(frames: Frames, strength: float, rng: np.random.Generator) -> Frames:
    return np.repeat(frames[:1], len(frames), axis=0)


def _dropped(frames: Frames, strength: float, rng: np.random.Generator) -> Frames:
    return frames[np.minimum(np.arange(len(frames)), len(frames) // 2)]


def _reverse(frames: Frames, strength: float, rng: np.random.Generator) -> Frames:
    return frames[::-1].copy()


def _shuffle(frames: Frames, strength: float, rng: np.random.Generator) -> Frames:
    order = np.argsort(rng.random(len(frames)))
    if len(frames) > 1 and (order == np.arange(len(frames))).all():
        order = np.roll(order, 1)
    return frames[order]


FRAME_DAMAGES: dict[str, Callable[[Frames, float, np.random.Generator], Frames]] = {
    "blur": _blur,
    "noise": _noise,
    "flicker": _flicker,
    "jitter": _jitter,
    "frozen": _frozen,
    "dropped": _dropped,
    "reverse": _reverse,
    "shuffle": _shuffle,
}
"""Damage -> how it is done to (frames, strength, rng)."""


def _wrong_colour(scene: Scene, rng: np.random.Generator) -> Scene:
    present = [group.colour for group in scene.objects]
    # No object takes a colour that the scene already has: two objects must not swap roles.
    steps = [
        step
        for step in range(1, len(COLOURS))
        if not any(_turned(COLOURS, colour, step) in present for colour in present)
    ]
    step = pick(steps, rng)
    return _with_objects(scene, colour=[_turned(COLOURS, colour, step) for colour in present])


def _wrong_shape(scene: Scene, rng: np.random.Generator) -> Scene:
    step = pick(range(1, len(SHAPES)), rng)
    return _with_objects(scene, shape=[_turned(SHAPES, group.shape, step) for group in scene.objects])


def _wrong_direction(scene: Scene, rng: np.random.Generator) -> Scene:
    if scene.camera != "static":
        moving = CAMERAS[1:]
        return replace(scene, camera=_turned(moving, scene.camera, pick(range(1, len(moving)), rng)))
    ways = [way for way in DIRECTIONS if way != STILL]
    step = pick(range(1, len(ways)), rng)
    new = [ways[step] if group.direction == STILL else _turned(ways, group.direction, step) for group in scene.objects]
    return _with_objects(scene, direction=new, speed=[group.speed or "slow" for group in scene.objects])


def _wrong_prompt(scene: Scene, rng: np.random.Generator) -> Scene:
    while True:
        other = sample_scene(scene.level, rng)
        if other != scene:
            return other


SCENE_CHANGES: dict[str, Callable[[Scene, np.random.Generator], Scene]] = {
    "wrong-colour": _wrong_colour,
    "wrong-shape": _wrong_shape,
    "wrong-direction": _wrong_direction,
    "wrong-prompt": _wrong_prompt,
}
"""Change -> how it is done to (scene, rng)."""


def _turned(options: Sequence[str], value: str, step: int) -> str:
    return options[(options.index(value) + step) % len(options)]


def _with_objects(scene: Scene, **columns: list[str]) -> Scene:
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return replace(scene, objects=tuple(replace(group, **row) for group, row in zip(scene.objects, rows, strict=True)))


def _unit(frames: Frames) -> float:
    return min(frames.shape[2:]) / REFERENCE_SIDE


def _levels(values: np.ndarray) -> Frames:
    return np.floor(np.clip(values, 0.0, 255.0) + 0.5).astype(np.uint8)


def _per_frame(frames: Frames, change: Callable[[np.ndarray, int], np.ndarray]) -> Frames:
    """Apply a change to each frame as an (h, w, 3) image."""
    images = [change(np.ascontiguousarray(frame.transpose(1, 2, 0)), index) for index, frame in enumerate(frames)]
    return np.stack(images).transpose(0, 3, 1, 2).copy()
