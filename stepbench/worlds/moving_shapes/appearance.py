"""How the words of the world look: colours, tones, lengths and outlines. Renderer and checker both read them here.

Lengths are fractions of the frame's shorter side, so a scene looks alike at any size; x points right, y points down.
Only additions, products, comparisons and square roots are used: IEEE arithmetic gives the same bits everywhere.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Array = np.ndarray

COLOUR_RGB = {
    "red": (0.90, 0.13, 0.13),
    "yellow": (0.95, 0.85, 0.10),
    "green": (0.15, 0.72, 0.20),
    "cyan": (0.10, 0.80, 0.85),
    "blue": (0.15, 0.27, 0.92),
    "purple": (0.62, 0.13, 0.85),
}
BACKGROUND_TONE = {"black": 0.06, "grey": 0.42, "white": 0.92}
"""Backgrounds, their patterns and the clutter are grey; only objects have a colour."""

PATTERN_CONTRAST = {"black": 0.18, "grey": 0.18, "white": -0.18}
CLUTTER_TONE = {"black": 0.72, "grey": 0.02, "white": 0.15}

HALF_SIZE = {"small": 0.125, "medium": 0.18, "large": 0.25}
"""Half of an object's width, which is also its height."""

PATH_LENGTH = {"slow": 0.18, "fast": 0.42}
"""How far an object moves from the first frame to the last, whatever the number of frames or the frame rate."""

DIAGONAL = 0.7071067811865476
DIRECTION_VECTOR = {
    "left": (-1.0, 0.0),
    "right": (1.0, 0.0),
    "up": (0.0, -1.0),
    "down": (0.0, 1.0),
    "up-left": (-DIAGONAL, -DIAGONAL),
    "up-right": (DIAGONAL, -DIAGONAL),
    "down-left": (-DIAGONAL, DIAGONAL),
    "down-right": (DIAGONAL, DIAGONAL),
    "still": (0.0, 0.0),
}

PAN_LENGTH = 0.25
"""How far a pan moves the picture from the first frame to the last, against the direction of the pan."""

ZOOM_SCALE = {"zoom-in": (0.8, 1.2), "zoom-out": (1.2, 0.8)}
"""Magnification in the first and last frame; it is 1 in the middle of the clip, where `HALF_SIZE` holds."""

PATTERN_PERIOD = 0.25
GRID_LINE = 0.05
DOT_RADIUS = 0.07
SPECK_HALF_SIZE = 0.03
SPECK_CELL = 0.22
"""Clutter puts one speck into each square of this side."""

CROSS_ARM = 0.36
"""Half the width of a cross's arm, as a fraction of its half size."""


def shape_coverage(
    shape: str, dx: Float[Array, "*t w"], dy: Float[Array, "*t h"], half: Float[Array, "*t"], edge: float
) -> Float[Array, "*t h w"]:
    """How much of each pixel a shape covers, 0 to 1.

    Args:
        shape: A name from `scene.SHAPES`. Triangles stand upright; no shape is turned.
        dx: Pixel centres minus the centre of the shape's bounding box, along x.
        dy: The same along y.
        half: Half the side of the bounding box.
        edge: Width of the soft edge, one pixel.
    """
    half = np.asarray(half)[..., None]
    if shape == "square":
        return _outer(_bar(dx, half, edge), _bar(dy, half, edge))
    if shape == "cross":
        arm = half * CROSS_ARM
        wide = _outer(_bar(dx, half, edge), _bar(dy, arm, edge))
        tall = _outer(_bar(dx, arm, edge), _bar(dy, half, edge))
        return np.maximum(wide, tall)
    if shape == "circle":
        distance = np.sqrt((dx * dx)[..., None, :] + (dy * dy)[..., :, None])
        return _ramp(half[..., None] - distance, edge)
    # Upright triangle: the two slanted sides run from the top centre to the lower corners.
    slant = np.abs(dx)[..., None, :] * 2.0 - (dy + half)[..., :, None]
    return np.minimum(_ramp(slant / -_SLANT_NORM, edge), _ramp(half - dy, edge)[..., :, None])


def pattern_coverage(
    pattern: str, x: Float[Array, "*t w"], y: Float[Array, "*t h"], edge: Float[Array, "*t"]
) -> Float[Array, "*t h w"]:
    """How much of each pixel shows a pattern's second tone, 0 to 1; it repeats every `PATTERN_PERIOD`.

    Args:
        pattern: A name from `scene.PATTERNS` other than `plain`.
        x: World coordinates of the pixel centres.
        y: The same along y.
        edge: Width of the soft edge.
    """
    x, y, edge = _from_nearest_node(x), _from_nearest_node(y), np.asarray(edge)[..., None]
    if pattern == "dots":
        distance = np.sqrt((x * x)[..., None, :] + (y * y)[..., :, None])
        return _ramp(DOT_RADIUS - distance, edge[..., None])
    if pattern == "grid":
        vertical, horizontal = _bar(x, GRID_LINE / 2, edge), _bar(y, GRID_LINE / 2, edge)
        return np.maximum(vertical[..., None, :], horizontal[..., :, None])
    vertical = _ramp(PATTERN_PERIOD / 4 - np.abs(x), edge)
    if pattern == "stripes":
        return _outer(vertical, np.ones_like(y))
    horizontal = _ramp(PATTERN_PERIOD / 4 - np.abs(y), edge)
    return _outer(vertical, horizontal) + _outer(1 - vertical, 1 - horizontal)


_SLANT_NORM = 2.23606797749979  # sqrt(1 + 2^2): turns the slanted sides' equation into a distance


def _from_nearest_node(x: Array) -> Array:
    return x - PATTERN_PERIOD * np.floor(x / PATTERN_PERIOD + 0.5)


def _ramp(inside: Array, edge: Array | float) -> Array:
    return np.clip(inside / edge + 0.5, 0.0, 1.0)


def _bar(x: Array, half: Array | float, edge: Array | float) -> Array:
    # Exact overlap of a pixel with [-half, half].
    return np.clip((np.minimum(x + edge / 2, half) - np.maximum(x - edge / 2, -half)) / edge, 0.0, 1.0)


def _outer(x: Array, y: Array) -> Array:
    return y[..., :, None] * x[..., None, :]
