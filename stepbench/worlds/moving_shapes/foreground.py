"""Objects in a clip: which pixels they cover, what colour they have, and how many there are.

The world's backgrounds are grey, so an object is what has a colour. Edges are mixtures of object and background, and
mixing with grey scales the colour part of a pixel without turning it: its length is the pixel's coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from stepbench.errors import StepbenchError
from stepbench.worlds.moving_shapes.appearance import COLOUR_RGB, Array

WORKING_SIDE = 64
"""Clips are measured at this length of the shorter side."""

MAX_FRAMES = 33
MIN_SIDE = 32
WEAKEST_COLOUR = 0.12
"""Length of the colour part below which there is no object; noise of 5 % stays below half of it."""

MERGED_SHARE = 0.4
"""A component this large, measured on the largest one of its frame, counts as an object of its own."""


class UnmeasurableClipError(StepbenchError):
    """An array that is no clip, or one too small to tell shapes apart."""


@dataclass(frozen=True)
class Group:
    """Objects of one colour.

    Attributes:
        colour: Name of the nearest colour of the world.
        coverage: Share of each pixel that the group covers.
        labels: 0 where the group is not, else the number of the object; numbers of two frames are unrelated.
        counts: Objects per frame.
    """

    colour: str
    coverage: Float32[Array, "t h w"]
    labels: list[np.ndarray]
    counts: list[int]


def working_frames(frames: Any) -> Float32[Array, "t h w 3"]:
    """A uint8 clip (t, 3, h, w) in 0 to 1, its shorter side 64 pixels, with at most 33 frames evenly spread over it.

    Raises:
        UnmeasurableClipError: Not uint8 (t, 3, h, w), no frame, or a side below 32 pixels.
    """
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1] != 3:
        got = f"{frames.dtype} {frames.shape}" if isinstance(frames, np.ndarray) else type(frames).__name__
        raise UnmeasurableClipError(f"a clip is a uint8 array (time, 3, height, width), got {got}")
    height, width = frames.shape[2:]
    if len(frames) == 0 or min(height, width) < MIN_SIDE:
        raise UnmeasurableClipError(
            f"a measurable clip has frames with sides of {MIN_SIDE} pixels, got {len(frames)} of {height} x {width}"
        )
    kept = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MAX_FRAMES)).round().astype(int))
    scale = WORKING_SIDE / min(height, width)
    size = (round(width * scale), round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = [cv2.resize(frames[index].transpose(1, 2, 0), size, interpolation=how) for index in kept]
    return np.stack(small).astype(np.float32) / 255.0


def brightness(clip: Float32[Array, "t h w 3"]) -> Float32[Array, "t h w"]:
    """Mean of the three channels, 0 to 1."""
    return (clip[..., 0] + clip[..., 1] + clip[..., 2]) / 3


def colour_strength(colours: Float32[Array, "t h w 3"]) -> Float32[Array, "t h w"]:
    """Length of the colour part of each pixel."""
    return np.sqrt(np.einsum("thwc,thwc->thw", colours, colours))


def grown(masks: Bool[Array, "t h w"], by: int) -> Bool[Array, "t h w"]:
    """Each frame's mask with a border of `by` pixels added."""
    kernel = np.ones((2 * by + 1, 2 * by + 1), np.uint8)
    return np.stack([cv2.dilate(mask.astype(np.uint8), kernel) > 0 for mask in masks])


def colour_part(clip: Float32[Array, "t h w 3"]) -> Float32[Array, "t h w 3"]:
    """What is left of each pixel without its grey and without the clip's own tint, lightly smoothed."""
    part = clip - brightness(clip)[..., None]
    part = np.stack([cv2.GaussianBlur(frame, (3, 3), 0.8) for frame in part])
    return part - np.median(part[:, ::2, ::2], axis=(0, 1, 2))


def find_groups(colours: Float32[Array, "t h w 3"], wanted: int) -> list[Group]:
    """The `wanted` (1 or 2) most prominent colours as groups; fewer where the clip has no more.

    With one group asked for, everything that is coloured belongs to it, whatever its colour.
    """
    strength = colour_strength(colours)
    strongest = float(np.percentile(strength, 99))
    if strongest < WEAKEST_COLOUR:
        return []
    seen = strength > 0.4 * strongest
    names = _nearest_colour(colours)
    votes = np.bincount(names[seen], weights=strength[seen], minlength=len(COLOUR_RGB))
    chosen = [int(index) for index in np.argsort(votes)[::-1][:wanted] if votes[index] > 0.1 * votes.sum()]
    directions = np.stack([colours[seen & (names == index)].mean(axis=0) for index in chosen])
    directions /= np.sqrt((directions * directions).sum(axis=1, keepdims=True))
    owner = np.argmax(colours @ directions.T, axis=-1)
    groups = []
    for place, index in enumerate(chosen):
        own = owner == place
        if (seen & own).any():
            groups.append(_group(list(COLOUR_RGB)[index], np.where(own, strength, 0.0), seen & own))
    return [group for group in groups if any(group.counts)]


def _nearest_colour(colours: Float32[Array, "t h w 3"]) -> Array:
    palette = np.array(list(COLOUR_RGB.values()), dtype=np.float32)
    palette -= palette.mean(axis=1, keepdims=True)
    palette /= np.sqrt((palette * palette).sum(axis=1, keepdims=True))
    return np.argmax(colours @ palette.T, axis=-1)


def _group(colour: str, strength: Float[Array, "t h w"], seen: Bool[Array, "t h w"]) -> Group:
    full = float(np.percentile(strength[seen], 75))
    coverage = np.clip(strength / full, 0.0, 1.0).astype(np.float32)
    labels, counts = zip(*(_objects(frame) for frame in coverage), strict=True)
    return Group(colour, coverage, list(labels), list(counts))


def _objects(coverage: Float32[Array, "h w"]) -> tuple[np.ndarray, int]:
    """The objects of one frame, numbered from 1: components not much smaller than the largest."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats((coverage > 0.5).astype(np.uint8), connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = [index + 1 for index in range(number - 1) if areas[index] >= max(MERGED_SHARE * areas.max(), 4)]
    numbering = np.zeros(number, dtype=np.int32)
    numbering[kept] = np.arange(1, len(kept) + 1)
    return numbering[np.asarray(labels, dtype=np.int32)], len(kept)
