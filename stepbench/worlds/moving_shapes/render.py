"""Scenes as clips: a deterministic, anti-aliased renderer.

A clip depends on the scene, the seed and its size alone. Motion is a fraction of the frame's shorter side over the
whole clip (slow 0.18, fast 0.42, see `appearance`), so neither the number of frames nor the frame rate changes where
things go. The seed decides what the scene leaves open: where objects start, small shifts of colour and tone, the phase
of a pattern and the place of clutter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from stepbench.errors import UsageError
from stepbench.worlds.moving_shapes.appearance import (
    BACKGROUND_TONE,
    CLUTTER_TONE,
    COLOUR_RGB,
    HALF_SIZE,
    PATTERN_CONTRAST,
    PATTERN_PERIOD,
    SPECK_CELL,
    SPECK_HALF_SIZE,
    Array,
    pattern_coverage,
    shape_coverage,
)
from stepbench.worlds.moving_shapes.motion import CameraPath, camera_path, place_objects
from stepbench.worlds.moving_shapes.scene import Scene
from stepbench.worlds.moving_shapes.seeding import keyed_rng

COLOUR_JITTER = 0.03
TONE_JITTER = 0.02
MIN_SIDE = 16
_CHUNK_PIXELS = 2**20
"""Frames are drawn in chunks of about this many pixels, so memory does not grow with the clip."""


def scene_rng(scene: Scene, seed: int) -> np.random.Generator:
    """The generator behind `render`'s nuisance draws: a function of world version, scene and seed."""
    return keyed_rng(scene.to_json(), seed)


def render(
    scene: Scene,
    seed: int,
    *,
    frames: int = 17,
    height: int = 64,
    width: int = 64,
    rng: np.random.Generator | None = None,
) -> UInt8[np.ndarray, "t 3 h w"]:
    """Draw a scene.

    Args:
        scene: What to show.
        seed: Any integer; the same scene, seed and size give the same bytes.
        frames: At least 1. One frame shows the start of the motion.
        height: At least 16, in pixels; need not equal the width.
        width: At least 16.
        rng: Takes the place of `scene_rng(scene, seed)`, so that two scenes can share their nuisance.

    Raises:
        UsageError: Fewer than 1 frame, or a side below 16 pixels.
    """
    if frames < 1 or min(height, width) < MIN_SIDE:
        raise UsageError(
            f"a clip has at least 1 frame and sides of {MIN_SIDE} pixels, got {frames} frames of {height} x {width}"
        )
    span = (width / min(height, width), height / min(height, width))
    path = camera_path(scene.camera, frames)
    plan = _plan(scene, path, span, scene_rng(scene, seed) if rng is None else rng)
    clip = np.empty((frames, 3, height, width), dtype=np.uint8)
    chunk = max(1, _CHUNK_PIXELS // (height * width))
    for first in range(0, frames, chunk):
        part = slice(first, min(first + chunk, frames))
        levels = _draw(scene, plan, path, part, height, width)
        # All tones and colours lie inside 0 to 1, so the cast to whole levels rounds and cannot overflow.
        levels *= 255.0
        levels += 0.5
        clip[part] = levels
    return clip


@dataclass(frozen=True)
class _Plan:
    """Everything that the scene leaves open and the seed decides.

    Attributes:
        colours: RGB of each group.
        tone: Brightness of the background.
        phase: Shift of the pattern.
        specks: Centres of the clutter.
        centres: Of every object of each group, in every frame.
    """

    colours: list[Float[Array, " rgb"]]
    tone: float
    phase: Float[Array, " xy"]
    centres: list[Float[Array, "count t 2"]]
    specks: Float[Array, "n 2"]


def _plan(scene: Scene, path: CameraPath, span: tuple[float, float], rng: np.random.Generator) -> _Plan:
    return _Plan(
        colours=[
            np.array(COLOUR_RGB[group.colour]) + COLOUR_JITTER * (2 * rng.random(3) - 1) for group in scene.objects
        ],
        tone=BACKGROUND_TONE[scene.background] + TONE_JITTER * (2 * rng.random() - 1),
        phase=rng.random(2) * PATTERN_PERIOD,
        centres=place_objects(scene, path, span, rng),
        specks=_speck_centres(span, rng) if scene.clutter else np.empty((0, 2)),
    )


def _speck_centres(span: tuple[float, float], rng: np.random.Generator) -> Float[Array, "n 2"]:
    # One speck somewhere in each cell; cells reach beyond the frame, because a camera may bring the outside in.
    margin = 0.3
    columns, rows = (int((side + 2 * margin) / SPECK_CELL) + 1 for side in span)
    corner = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2) * SPECK_CELL - margin
    return corner + SPECK_HALF_SIZE + rng.random(corner.shape) * (SPECK_CELL - 2 * SPECK_HALF_SIZE)


def _draw(scene: Scene, plan: _Plan, path: CameraPath, part: slice, height: int, width: int) -> Float[Array, "t 3 h w"]:
    """Some frames of the clip, in 0 to 1."""
    pixel = 1.0 / min(height, width)
    x, y = (np.arange(width) + 0.5) * pixel, (np.arange(height) + 0.5) * pixel
    scale, shift = path.scale[part], path.shift[part]
    # A static background is drawn once and copied; a moving camera needs every frame.
    drawn = slice(None) if scene.camera != "static" else slice(1)
    grey = _background(scene, plan, (x, y), scale[drawn], shift[drawn])
    levels = np.empty((len(scale), 3, height, width))
    levels[:] = grey[:, None]
    for group, colour, centres in zip(scene.objects, plan.colours, plan.centres, strict=True):
        for centre in centres[:, part]:
            dx, dy = x - centre[:, :1], y - centre[:, 1:]
            covered = shape_coverage(group.shape, dx, dy, HALF_SIZE[group.size] * scale, pixel)
            for channel in range(3):
                layer = levels[:, channel]
                layer += covered * (colour[channel] - layer)
    return levels


def _background(
    scene: Scene,
    plan: _Plan,
    axes: tuple[Float[Array, " w"], Float[Array, " h"]],
    scale: Float[Array, " t"],
    shift: Float[Array, "t 2"],
) -> Float[Array, "t h w"]:
    pixel = axes[0][1] - axes[0][0]
    # World coordinates of the pixel centres: the camera's motion undone.
    x, y = (
        (axis - axis.mean() - shift[:, place, None]) / scale[:, None] + axis.mean() for place, axis in enumerate(axes)
    )
    grey = np.full((len(scale), y.shape[1], x.shape[1]), plan.tone)
    if scene.pattern != "plain":
        covered = pattern_coverage(scene.pattern, x + plan.phase[0], y + plan.phase[1], pixel / scale)
        grey += PATTERN_CONTRAST[scene.background] * covered
    for speck in plan.specks:
        half = np.full(len(scale), SPECK_HALF_SIZE)
        covered = shape_coverage("square", x - speck[0], y - speck[1], half, pixel)
        grey += covered * (CLUTTER_TONE[scene.background] - grey)
    return grey
