"""Tiny synthetic clips, uint8 RGB (time, 3, height, width), and the corruptions that metrics are tried on."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

FRAMES, SIDE = 6, 48


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@lru_cache(maxsize=64)
def texture(seed: int, side: int, scale: float = 2.0) -> np.ndarray:
    """A smooth periodic colour texture (side, side, 3), float levels that fill 0 to 255."""
    frequency = np.fft.fftfreq(side)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    spectrum = np.fft.fft2(rng(seed).standard_normal((3, side, side))) * np.exp(-2 * (np.pi * scale * radius) ** 2)
    image = np.fft.ifft2(spectrum).real.transpose(1, 2, 0)
    return 255 * (image - image.min()) / (image.max() - image.min())


def shifted(image: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """A periodic image moved by a possibly fractional vector, by the shift theorem."""
    rows, columns = np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1])[None, :]
    phase = np.exp(-2j * np.pi * (columns * dx + rows * dy))[..., None]
    return np.fft.ifft2(np.fft.fft2(image, axes=(0, 1)) * phase, axes=(0, 1)).real


def moving(
    seed: int = 0,
    velocity: tuple[float, float] = (1.0, 0.5),
    frames: int = FRAMES,
    side: int = SIDE,
    scale: float = 2.0,
) -> Tensor:
    """A window onto a texture that moves by `velocity` pixels per frame."""
    canvas = texture(seed, 2 * side, scale)
    window = slice(side // 2, side // 2 + side)
    dx, dy = velocity
    return as_clip(np.stack([shifted(canvas, dx * t, dy * t)[window, window] for t in range(frames)]))


def still(seed: int = 0, frames: int = FRAMES) -> Tensor:
    return moving(seed, frames=1).repeat(frames, 1, 1, 1)


def flat(level: int, frames: int = FRAMES, side: int = SIDE) -> Tensor:
    return torch.full((frames, 3, side, side), level, dtype=torch.uint8)


def example(seed: int, frames: int = FRAMES, side: int = SIDE) -> Tensor:
    """A clip that moves at a speed of its own."""
    return moving(seed, velocity=(1.0 + 0.3 * seed, -0.4), frames=frames, side=side)


def batch(count: int = 3) -> Tensor:
    """Different clips that move at different speeds."""
    return torch.stack([example(seed) for seed in range(count)])


def as_clip(levels: np.ndarray) -> Tensor:
    """Float levels (time, height, width, 3) to a clip."""
    return torch.from_numpy(levels.round().clip(0, 255).astype(np.uint8).transpose(0, 3, 1, 2).copy())


def as_levels(clip: Tensor) -> np.ndarray:
    return clip.numpy().transpose(0, 2, 3, 1).astype(np.float64)


def with_noise(clip: Tensor, sigma: float) -> Tensor:
    return as_clip(as_levels(clip) + sigma * rng(7).standard_normal((len(clip), *clip.shape[2:], 3)))


def blurred(clip: Tensor, sigma: float) -> Tensor:
    if sigma == 0:
        return clip
    return as_clip(np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in as_levels(clip)]))


def with_brightness_flicker(clip: Tensor, amount: float) -> Tensor:
    """Every second frame darker by a fraction."""
    gain = 1 - amount * (np.arange(len(clip)) % 2)
    return as_clip(as_levels(clip) * gain[:, None, None, None])


def with_pulses(clip: Tensor, levels: float) -> Tensor:
    """Every second frame darker by so many levels, as far as there are any."""
    return as_clip(as_levels(clip) - levels * (np.arange(len(clip)) % 2)[:, None, None, None])


def with_gain(clip: Tensor, gain: float) -> Tensor:
    """Levels further from mid-grey, or with a gain below 1 nearer to it."""
    return as_clip(128 + gain * (as_levels(clip) - 128))


def brightened(clip: Tensor, levels: float) -> Tensor:
    return as_clip(as_levels(clip) + levels)


def greyed(clip: Tensor, amount: float) -> Tensor:
    """A share of the colour taken out; 1 leaves grey of the same brightness."""
    levels = as_levels(clip)
    grey = levels @ np.array([[0.299], [0.587], [0.114]])
    return as_clip(levels + amount * (grey - levels))


def letterboxed(clip: Tensor, rows: float) -> Tensor:
    """So many black rows at top and bottom."""
    framed, height = clip.clone(), clip.shape[-2]
    framed[..., : int(rows), :] = 0
    framed[..., height - int(rows) :, :] = 0
    return framed


def compressed(clip: Tensor, coarseness: float) -> Tensor:
    """Every frame as a JPEG of quality 100 - coarseness."""
    options = [cv2.IMWRITE_JPEG_QUALITY, int(100 - coarseness)]
    frames = [cv2.imencode(".jpg", frame.permute(1, 2, 0).numpy(), options)[1] for frame in clip]
    return as_clip(np.stack([cv2.imdecode(frame, cv2.IMREAD_UNCHANGED) for frame in frames]))


def jittered(clip: Tensor, pixels: float) -> Tensor:
    """Every frame shifted by a random vector of so many pixels (standard deviation) along each axis."""
    shifts = pixels * rng(11).standard_normal((len(clip), 2))
    size = (clip.shape[-1], clip.shape[-2])
    frames = [
        cv2.warpAffine(
            frame.astype(np.float32),
            np.array([[1, 0, dx], [0, 1, dy]]),
            size,
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        for frame, (dx, dy) in zip(as_levels(clip), shifts, strict=True)
    ]
    return as_clip(np.stack(frames))


def held(clip: Tensor, count: float) -> Tensor:
    """The first frame shown instead of the `count` that follow it."""
    return torch.cat([clip[:1].repeat(1 + int(count), 1, 1, 1), clip[1 + int(count) :]])


def cut_into_scenes(clip: Tensor, cuts: float) -> Tensor:
    """After each of so many of the first frames a scene of another brightness begins."""
    scene = np.minimum(np.arange(len(clip)), int(cuts))
    return as_clip(0.2 * as_levels(clip) + 60 * scene[:, None, None, None])


def drifting_colour(clip: Tensor, amount: float) -> Tensor:
    """Red rises and blue falls over time, by `amount` levels at the end."""
    drift = np.linspace(0, amount, len(clip))[:, None, None, None] * np.array([1.0, 0.0, -1.0])
    return as_clip(as_levels(clip) + drift)


def sped_up(clip: Tensor, factor: float) -> Tensor:
    """The texture of `moving(0)` at `factor` pixels per frame; the clip itself only gives the length."""
    return moving(0, velocity=(factor, 0.0), frames=len(clip))


def shuffled(clip: Tensor) -> Tensor:
    order = (3, 1, 5, 0, 4, 2) if len(clip) <= FRAMES else rng(5).permutation(len(clip))
    return clip[torch.tensor([index for index in order if index < len(clip)])]


def reversed_in_time(clip: Tensor) -> Tensor:
    return clip.flip(0)


def mirrored(clip: Tensor) -> Tensor:
    return clip.flip(-1)


def swapped_channels(clip: Tensor) -> Tensor:
    return clip[:, [1, 2, 0]]
