"""Where training clips come from, and which of them a step sees."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class TrainingClip:
    """One clip with what is said about it.

    Attributes:
        frames: uint8 RGB (time, 3, height, width).
        captions: Texts that all describe it, in any languages; may be empty where a recipe reads none.
        fps: Frames per second.
    """

    frames: UInt8[Tensor, "time 3 height width"]
    captions: Sequence[str] = ()
    fps: float = 25.0


class ClipSource(Protocol):
    """Clips by number. The same number always gives the same clip, whoever asks.

    A source whose clips differ in size or length also has `buckets`: lists of the numbers of clips that are alike.
    """

    def __len__(self) -> int:
        """How many clips there are; a source that makes clips on the fly says how many it is willing to make."""
        ...

    def __getitem__(self, index: int) -> TrainingClip:
        """One clip, 0 to len - 1."""
        ...


def clip_indices(step: int, batch_size: int, size: int, seed: int) -> list[int]:
    """Which clips a step sees: every clip once per epoch, in an order that depends on seed and epoch alone.

    A pure function of the step, so a resumed run needs no memory of what it has seen.

    Args:
        step: 0-based.
        batch_size: Clips per step.
        size: Clips of the source.
        seed: Of the order.
    """
    positions = range(step * batch_size, (step + 1) * batch_size)
    return [_shuffled(position % size, size, seed, position // size) for position in positions]


def drawn_bucket(source: Sized, generator: torch.Generator) -> Sequence[int]:
    """Numbers of clips of one size and length; each such bucket is drawn as often as it has clips.

    Args:
        source: Of clips or of their latents; without `buckets` all of them are alike.
        generator: Of the draw.
    """
    buckets: Sequence[Sequence[int]] = getattr(source, "buckets", [range(len(source))])
    if len(buckets) == 1:
        return buckets[0]
    sizes = torch.tensor([len(bucket) for bucket in buckets], dtype=torch.float64)
    return buckets[int(torch.multinomial(sizes, 1, generator=generator))]


def step_generator(seed: int, *key: int) -> torch.Generator:
    """A CPU generator that depends on the seed and a key such as (step, sample) alone."""
    state = np.random.SeedSequence([seed, *key]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def to_float(frames: UInt8[Tensor, "*shape"], device: torch.device | str | None = None) -> Float[Tensor, "*shape"]:
    """Pixels 0 to 255 as float32 from -1 to 1."""
    return frames.to(device).float() / 127.5 - 1


def _shuffled(position: int, size: int, seed: int, epoch: int) -> int:
    """A permutation of 0 to size - 1 without ever listing it: a small Feistel network, walked until it lands inside."""
    half = max(1, (max(1, size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    keys = np.random.SeedSequence([seed, epoch]).generate_state(4)
    value = position
    while True:
        left, right = value >> half, value & mask
        for key in keys:
            mixed = (right * 0x9E3779B1 + int(key)) & 0xFFFFFFFF
            mixed = ((mixed ^ (mixed >> 15)) * 0x85EBCA6B) & 0xFFFFFFFF
            left, right = right, left ^ ((mixed ^ (mixed >> 13)) & mask)
        value = (left << half) | right
        if value < size:
            return value
