"""Backbones of a few numbers, whose features a test can work out by hand, and clips for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from metrics.backbones import registry
from metrics.functional.checks import check_batch


class Levels:
    """Means of each colour over the whole clip and over its first frame: six numbers in levels 0 to 255."""

    def __init__(self, name: str = "toy", weights_hash: str = "0123456789ab", policy: str = "all-native") -> None:
        self.name = name
        self.weights_hash = weights_hash
        self.policy = policy
        self.dimensions = 6
        self.seen = 0

    def features(self, clips: Tensor) -> Tensor:
        check_batch(clips)
        self.seen += len(clips)
        levels = clips.double().mean(dim=(3, 4))
        return torch.cat([levels.mean(dim=1), levels[:, 0]], dim=1).float()


class FrameLevels(Levels):
    """Means of each colour, frame by frame: three numbers for each of the first frames."""

    def __init__(self, frames: int = 2) -> None:
        super().__init__("toy-frames", policy=f"{frames}f-first")
        self.dimensions = 3
        self.frames = frames

    def sample(self, clips: Tensor) -> Tensor:
        return clips[:, : self.frames]

    def frame_features(self, frames: Tensor) -> Tensor:
        return frames.double().mean(dim=(2, 3)).float()


class Blind(Levels):
    """Gives NaN for a clip whose first pixel is 13."""

    def features(self, clips: Tensor) -> Tensor:
        features = super().features(clips)
        features[clips[:, 0, 0, 0, 0] == 13] = float("nan")
        return features


def load_toy(device: torch.device) -> Levels:
    return Levels()


def load_toy_frames(device: torch.device, *, frames: int = 8) -> FrameLevels:
    return FrameLevels(frames)


def registered() -> Iterator[None]:
    """The toys under names, for the time of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.BACKBONES, "toy", "toy_backbones:load_toy")
        patch.setitem(registry.BACKBONES, "toy-frames", "toy_backbones:load_toy_frames")
        patch.setattr(registry, "FRAME_BACKBONES", registry.FRAME_BACKBONES | {"toy-frames"})
        yield


def noise(count: int, seed: int = 0, frames: int = 4, top: int = 256) -> Tensor:
    """Clips of random pixels (count, frames, 3, 4, 5), levels below `top`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, top, (count, frames, 3, 4, 5), generator=generator, dtype=torch.uint8)
