"""A clip of the world, measured from its pixels alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from stepbench.worlds.moving_shapes.appearance import Array
from stepbench.worlds.moving_shapes.backdrop import background_name, has_clutter, pattern_name, speck_mask
from stepbench.worlds.moving_shapes.foreground import (
    WEAKEST_COLOUR,
    WORKING_SIDE,
    Group,
    brightness,
    colour_part,
    colour_strength,
    find_groups,
    grown,
    working_frames,
)
from stepbench.worlds.moving_shapes.outline import PATCH, cut_out, match_outline, size_name
from stepbench.worlds.moving_shapes.scene import CAMERA_PATTERNS
from stepbench.worlds.moving_shapes.tracking import (
    CameraTrack,
    Line,
    direction_and_speed,
    fit_line,
    resting_camera,
    track_camera,
)


@dataclass(frozen=True, kw_only=True)
class GroupMeasurement:
    """One group of equal objects, in the world's words where they apply, and the numbers behind the words.

    Attributes:
        shape: None where no shape fits.
        size: None where it is far from all sizes.
        direction: Against the background; None where the motion is not steady, or the clip has one frame.
        speed: None where there is no direction, or the group is still.
        count: Objects in the median frame.
        half_size: In units of the frame's shorter side.
        overlap: Intersection over union with the best outline.
        centre: Mean centre (x, y) in units of the frame's shorter side.
        line: The motion behind direction and speed.
    """

    colour: str
    shape: str | None
    size: str | None
    direction: str | None
    speed: str | None
    count: int
    half_size: float
    overlap: float
    centre: tuple[float, float]
    line: Line | None


@dataclass(frozen=True, kw_only=True)
class ClipMeasurement:
    """What a clip shows. `camera` is None where the background does not let it be seen, or it is not steady."""

    groups: tuple[GroupMeasurement, ...]
    background: str | None
    pattern: str
    clutter: bool
    camera: str | None


def measure_clip(frames: UInt8[np.ndarray, "t 3 h w"], groups: int = 1) -> ClipMeasurement:
    """Measure a clip.

    Args:
        frames: uint8 RGB, sides of at least 32 pixels.
        groups: How many differently coloured groups to look for, 1 or 2.

    Raises:
        UnmeasurableClipError: `frames` is no such clip.
    """
    clip = working_frames(frames)
    colours = colour_part(clip)
    grey = brightness(clip)
    coloured = colour_strength(colours) > WEAKEST_COLOUR
    background = ~grown(coloured, 2)
    specks = speck_mask(grey, background)
    pattern = pattern_name(grey, background, specks)
    seen = pattern in CAMERA_PATTERNS
    track = track_camera(grey, background) if seen else resting_camera(len(clip))
    return ClipMeasurement(
        groups=tuple(found for group in find_groups(colours, groups) if (found := _measure_group(group, track))),
        background=background_name(grey, background),
        pattern=pattern,
        clutter=has_clutter(specks),
        camera=track.camera() if seen else None,
    )


def _measure_group(group: Group, track: CameraTrack) -> GroupMeasurement | None:
    """None for what is no object: nothing of it lies near its centre, as in a frame around the picture."""
    frames, height, width = group.coverage.shape
    middle = np.array([width, height]) / 2
    path = np.full((frames, 2), np.nan)
    total, cuts = np.zeros((PATCH, PATCH), dtype=np.float32), 0
    for index in range(frames):
        masses, centres = [], []
        for number in range(1, group.counts[index] + 1):
            patch, centre = cut_out(group.coverage[index], group.labels[index], number, float(track.scale[index]))
            total, cuts = total + patch, cuts + 1
            masses.append(float(patch.sum()))
            centres.append(centre)
        if any(masses):
            path[index] = np.average(np.array(centres) + 0.5, axis=0, weights=masses)
    if np.isnan(path).all():
        return None
    shape, half, overlap = match_outline(total / max(cuts, 1))
    line = fit_line(_on_background(path, middle, track))
    direction, speed = direction_and_speed(line)
    centre = np.nanmean(path, axis=0) / WORKING_SIDE
    return GroupMeasurement(
        colour=group.colour,
        shape=shape,
        size=size_name(half),
        direction=direction,
        speed=speed,
        count=int(np.median(group.counts)),
        half_size=half,
        overlap=overlap,
        centre=(float(centre[0]), float(centre[1])),
        line=line,
    )


def _on_background(path: Float[Array, "t 2"], middle: Float[Array, " xy"], track: CameraTrack) -> Float[Array, "t 2"]:
    """Positions with the camera's motion taken out, in units of the frame's shorter side."""
    return ((path - middle) / WORKING_SIDE - track.shift) / track.scale[:, None]
