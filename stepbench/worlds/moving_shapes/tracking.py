"""Motion along a clip: straight lines through measured positions, and the camera's path from the background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from stepbench.worlds.moving_shapes.appearance import (
    DIRECTION_VECTOR,
    PAN_LENGTH,
    PATH_LENGTH,
    ZOOM_SCALE,
    Array,
)
from stepbench.worlds.moving_shapes.foreground import WORKING_SIDE
from stepbench.worlds.moving_shapes.scene import STILL

MIN_FOUND = 0.6
"""Share of the frames in which an object must be found for its motion to be known."""

STILL_LIMIT = 0.10
STILL_SCATTER = 0.05
FAST_LIMIT = float(np.sqrt(PATH_LENGTH["slow"] * PATH_LENGTH["fast"]))
MIN_COHERENCE = 0.6
"""Share of an object's scatter that steady motion must explain; shuffled frames explain hardly any."""

_FULL_ZOOM = float(np.log(ZOOM_SCALE["zoom-in"][1] / ZOOM_SCALE["zoom-in"][0]))
_SMOOTHING = (3.0, 1.2, 1.2, 1.2)


@dataclass(frozen=True)
class Line:
    """The steady motion that fits a path best.

    Attributes:
        displacement: From first to last frame.
        coherence: Share of the path's variance that the line explains, 0 to 1.
        scatter: Root mean square distance from the path's mean.
    """

    displacement: Float[Array, " d"]
    coherence: float
    scatter: float


def fit_line(path: Float[Array, "t d"]) -> Line | None:
    """Least squares over the frames where the path is known; None if too few are, or if there is only one."""
    known = np.isfinite(path).all(axis=1)
    if known.sum() < max(2, MIN_FOUND * len(path)):
        return None
    time = (np.arange(len(path)) / (len(path) - 1))[known]
    time, away = time - time.mean(), path[known] - path[known].mean(axis=0)
    spread = float((time * time).sum())
    displacement = (time[:, None] * away).sum(axis=0) / spread
    explained = float((displacement * displacement).sum() * spread)
    total = float((away * away).sum())
    return Line(displacement, explained / total if total > 0 else 1.0, float(np.sqrt(total / len(away))))


def direction_and_speed(line: Line | None) -> tuple[str | None, str | None]:
    """Words for a motion: `still` has no speed, and jerky motion is neither."""
    if line is None:
        return None, None
    length = float(np.sqrt((line.displacement**2).sum()))
    if length < STILL_LIMIT:
        return (STILL if line.scatter < STILL_SCATTER else None), None
    if line.coherence < MIN_COHERENCE:
        return None, None
    moving = {name: vector for name, vector in DIRECTION_VECTOR.items() if name != STILL}
    direction = max(moving, key=lambda name: float(np.dot(moving[name], line.displacement)))
    return direction, "slow" if length < FAST_LIMIT else "fast"


@dataclass(frozen=True)
class CameraTrack:
    """Where the picture has gone since the first frame: p becomes middle + (p - middle) * scale + shift.

    Attributes:
        scale: Relative to the middle frame of the clip.
        shift: In units of the frame's shorter side.
    """

    scale: Float[Array, " t"]
    shift: Float[Array, "t 2"]

    def camera(self) -> str | None:
        """The camera's name, None where its path is no steady motion."""
        zoom, pan = fit_line(np.log(self.scale)[:, None]), fit_line(self.shift)
        if zoom is None or pan is None:
            return None
        zoomed = float(zoom.displacement[0]) / _FULL_ZOOM
        panned = pan.displacement / PAN_LENGTH
        axis = int(np.argmax(np.abs(panned)))
        if max(abs(zoomed), abs(panned[axis])) < 0.5:
            return "static"
        line = zoom if abs(zoomed) > abs(panned[axis]) else pan
        if line.coherence < MIN_COHERENCE:
            return None
        if line is zoom:
            return "zoom-in" if zoomed > 0 else "zoom-out"
        # The picture drifts against the camera.
        return (
            ("pan-left" if panned[0] > 0 else "pan-right") if axis == 0 else ("pan-up" if panned[1] > 0 else "pan-down")
        )


def resting_camera(frames: int) -> CameraTrack:
    """A camera that does not move: what is assumed where the background would not show it."""
    return CameraTrack(np.ones(frames), np.zeros((frames, 2)))


def track_camera(grey: Float32[Array, "t h w"], background: Bool[Array, "t h w"]) -> CameraTrack:
    """Follow the background from frame to frame by scale and shift (Lucas and Kanade 1981, with one brightness offset).

    Args:
        grey: Brightness, 0 to 1.
        background: Pixels that belong to no object.
    """
    levels = {sigma: [cv2.GaussianBlur(frame, (0, 0), sigma) for frame in grey] for sigma in set(_SMOOTHING)}
    valid = background.astype(np.float32)
    scale, shift = [1.0], [np.zeros(2)]
    for index in range(len(grey) - 1):
        growth, step = _register(levels, valid, index)
        # The limits are out of reach of any camera; noise would pass zero and leave the range of numbers.
        scale.append(min(max(scale[-1] * (1 + growth), 1e-3), 1e3))
        shift.append(shift[-1] * (1 + growth) + step)
    return CameraTrack(np.array(scale) / scale[len(scale) // 2], np.stack(shift))


def _register(levels: dict[float, list[np.ndarray]], valid: np.ndarray, index: int) -> tuple[float, np.ndarray]:
    """Growth and shift that carry frame `index` onto the next one."""
    height, width = valid.shape[1:]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    x = np.broadcast_to((np.arange(width) - middle[0]) / WORKING_SIDE, (height, width))
    y = np.broadcast_to((np.arange(height)[:, None] - middle[1]) / WORKING_SIDE, (height, width))
    growth, step = 0.0, np.zeros(2)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for sigma in _SMOOTHING:
        corner = middle * -growth + step * WORKING_SIDE
        there = np.array([[1 + growth, 0.0, corner[0]], [0.0, 1 + growth, corner[1]]])
        now, after = levels[sigma][index], levels[sigma][index + 1]
        moved = cv2.warpAffine(after, there, (width, height), flags=how)
        use = (valid[index] * cv2.warpAffine(valid[index + 1], there, (width, height), flags=how)) > 0.99
        use[:2], use[-2:], use[:, :2], use[:, -2:] = False, False, False, False
        if use.sum() < 50:
            break
        slope_y, slope_x = (part[use] * WORKING_SIDE for part in np.gradient(moved))
        design = np.stack([slope_x * x[use] + slope_y * y[use], slope_x, slope_y, np.ones(use.sum())])
        normal = design @ design.T
        # The ridge keeps still what the background does not show.
        normal[np.diag_indices(3)] += 1e-3 * np.trace(normal[1:3, 1:3]) + 1e-9
        change = np.linalg.solve(normal, design @ (now - moved)[use])
        growth, step = growth + change[0], step + change[1:3]
    return float(growth), step
