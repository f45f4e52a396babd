"""What the background of a clip looks like: its base tone, its pattern and whether specks lie on it."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from stepbench.worlds.moving_shapes.appearance import (
    PATTERN_PERIOD,
    SPECK_HALF_SIZE,
    Array,
    pattern_coverage,
)
from stepbench.worlds.moving_shapes.foreground import WORKING_SIDE, grown
from stepbench.worlds.moving_shapes.scene import PATTERNS

TONE_LIMITS = (0.33, 0.68)
"""Brightness between black and grey, and between grey and white, with room for a pattern's second tone."""

SPECK_CONTRAST = 0.27
MIN_SPECKS = 4
PLAIN_SPREAD = 0.025
"""Spread of brightness over one period of the background below which there is no pattern."""

PERIOD = round(PATTERN_PERIOD * WORKING_SIDE)


def background_name(grey: Float32[Array, "t h w"], background: Bool[Array, "t h w"]) -> str | None:
    """`black`, `grey` or `white`; None where no background is left."""
    # The mean over frames is unmoved by flicker.
    tones = [float(np.median(frame[use])) for frame, use in zip(grey, background, strict=True) if use.any()]
    if not tones:
        return None
    tone = float(np.mean(tones))
    return "black" if tone < TONE_LIMITS[0] else "grey" if tone < TONE_LIMITS[1] else "white"


def speck_mask(grey: Float32[Array, "t h w"], background: Bool[Array, "t h w"]) -> Bool[Array, "t h w"]:
    """Background pixels that stand out from the frame's median by more than a pattern does."""
    medians = np.array(
        [np.median(frame[use]) if use.any() else 0.0 for frame, use in zip(grey, background, strict=True)]
    )
    return (np.abs(grey - medians[:, None, None]) > SPECK_CONTRAST) & background


def has_clutter(specks: Bool[Array, "t h w"]) -> bool:
    """Whether half of the frames show at least four specks of about the world's size."""
    full = (2 * SPECK_HALF_SIZE * WORKING_SIDE) ** 2
    seen = []
    for frame in specks:
        stats = cv2.connectedComponentsWithStats(frame.astype(np.uint8), connectivity=4)[2]
        areas = stats[1:, cv2.CC_STAT_AREA]
        seen.append(int(((areas > 0.25 * full) & (areas < 4 * full)).sum()))
    return float(np.median(seen)) >= MIN_SPECKS


def pattern_name(grey: Float32[Array, "t h w"], background: Bool[Array, "t h w"], specks: Bool[Array, "t h w"]) -> str:
    """The pattern that fits the middle of the clip best, where any camera shows it at its own size.

    The frame is folded into one period, which averages noise away, and compared with every shift of every pattern.
    """
    use = background & ~grown(specks, 1)
    middle = len(grey) // 2
    spreads, fits = [], []
    for index in range(max(middle - 1, 0), min(middle + 2, len(grey))):
        cell, weight = _fold(grey[index], use[index])
        spreads.append(float(np.sqrt((weight * (cell - (weight * cell).sum()) ** 2).sum())))
        fits.append(_correlations(cell, weight))
    if np.median(spreads) < PLAIN_SPREAD:
        return "plain"
    return PATTERNS[1:][int(np.argmax(np.mean(fits, axis=0)))]


def _fold(frame: Float32[Array, "h w"], use: Bool[Array, "h w"]) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    """Mean brightness at each place of one period, and the share of pixels behind it."""
    height, width = frame.shape
    place = (np.arange(height) % PERIOD)[:, None] * PERIOD + (np.arange(width) % PERIOD)[None]
    count = np.bincount(place[use], minlength=PERIOD**2)
    total = np.bincount(place[use], weights=frame[use], minlength=PERIOD**2)
    return total / np.maximum(count, 1), count / max(count.sum(), 1)


def _correlations(cell: Float[Array, " c"], weight: Float[Array, " c"]) -> Float[Array, " pattern"]:
    """Highest correlation, over shifts, with each pattern; its sign is free, as patterns are lighter or darker."""
    stencils = _stencils()
    centred = cell - (weight * cell).sum()
    stencils = stencils - (stencils @ weight)[..., None]
    shared = stencils @ (weight * centred)
    norms = np.sqrt((stencils * stencils) @ weight * (weight @ (centred * centred))) + 1e-12
    return np.abs(shared / norms).max(axis=1)


@cache
def _stencils() -> Float[Array, "pattern shift c"]:
    pixel = 1.0 / WORKING_SIDE
    grid = np.arange(PERIOD) * pixel
    images = [pattern_coverage(name, grid, grid, np.array(pixel)) for name in PATTERNS[1:]]
    shifts = [(down, right) for down in range(PERIOD) for right in range(PERIOD)]
    return np.stack([[np.roll(image, shift, (0, 1)).ravel() for shift in shifts] for image in images])
