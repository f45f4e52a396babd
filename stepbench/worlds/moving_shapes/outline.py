"""Which shape an object has and how large it is: the best match among drawn outlines."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from jaxtyping import Float32

from stepbench.worlds.moving_shapes.appearance import HALF_SIZE, Array, shape_coverage
from stepbench.worlds.moving_shapes.foreground import WORKING_SIDE
from stepbench.worlds.moving_shapes.scene import SHAPES

PATCH = 55
"""Side of the square, in working pixels, in which an object is compared with outlines."""

MIN_OVERLAP = 0.6
"""Intersection over union below which an object has none of the shapes."""

_HALF_SIZES = np.geomspace(0.07, 0.36, 34)
_BLURS = (0.9, 1.6, 2.6)


def cut_out(
    coverage: Float32[Array, "h w"], labels: np.ndarray, number: int, scale: float
) -> tuple[Float32[Array, "p p"], tuple[float, float]]:
    """One object in a square around its centre of mass, with the camera's magnification undone, and that centre."""
    region = cv2.dilate((labels == number).astype(np.uint8), np.ones((5, 5), np.uint8))
    own = coverage * region
    mass = own.sum()
    x = float((own.sum(axis=0) * np.arange(own.shape[1])).sum() / mass)
    y = float((own.sum(axis=1) * np.arange(own.shape[0])).sum() / mass)
    middle = PATCH // 2
    to_frame = np.array([[scale, 0.0, x - scale * middle], [0.0, scale, y - scale * middle]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(own, to_frame, (PATCH, PATCH), flags=how), (x, y)


def match_outline(patch: Float32[Array, "p p"]) -> tuple[str | None, float, float]:
    """Best shape (None where nothing fits), its half size in units of the frame's shorter side, and the overlap."""
    outlines, meanings = _outlines()
    image = cv2.GaussianBlur(patch, (0, 0), _BLURS[0]).ravel()
    overlap = np.minimum(outlines, image).sum(axis=1) / np.maximum(outlines, image).sum(axis=1)
    best = int(np.argmax(overlap))
    shape, half = meanings[best]
    return (shape if overlap[best] >= MIN_OVERLAP else None), half, float(overlap[best])


def size_name(half: float) -> str | None:
    """The nearest size on a logarithmic scale, None for what is far smaller or larger than all of them."""
    name = min(HALF_SIZE, key=lambda size: abs(np.log(half / HALF_SIZE[size])))
    return name if abs(np.log(half / HALF_SIZE[name])) < np.log(1.3) else None


@cache
def _outlines() -> tuple[Float32[Array, "n pp"], list[tuple[str, float]]]:
    """Every shape at many sizes and three sharpnesses, centred on its centre of mass."""
    pixel = 1.0 / WORKING_SIDE
    grid = (np.arange(PATCH) - PATCH // 2) * pixel
    images, meanings = [], []
    for shape in SHAPES:
        for half in _HALF_SIZES:
            # A triangle's centre of mass lies a third of its half size below the middle of its box.
            down = half / 3 if shape == "triangle" else 0.0
            image = shape_coverage(shape, grid, grid + down, np.array(half), pixel).astype(np.float32)
            for blur in _BLURS:
                images.append(cv2.GaussianBlur(image, (0, 0), blur).ravel())
                meanings.append((shape, float(half)))
    return np.stack(images), meanings
