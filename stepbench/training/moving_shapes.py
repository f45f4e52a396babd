"""Clips of the moving-shapes world, made on the fly, for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from reference_model.training.data import TrainingClip
from stepbench.worlds.moving_shapes.captions import caption
from stepbench.worlds.moving_shapes.checker import check_clip
from stepbench.worlds.moving_shapes.lexicon import LANGUAGES, TEMPLATES
from stepbench.worlds.moving_shapes.render import render
from stepbench.worlds.moving_shapes.sampling import sample_scene
from stepbench.worlds.moving_shapes.scene import WORLD_VERSION, Scene
from stepbench.worlds.moving_shapes.seeding import keyed_rng

ENDLESS = 2**24
"""Clips that a source says it has; more than any run will see."""


class MovingShapesClips:
    """Scenes drawn at random; clip i is a function of i, the world's version and all arguments but `size`.

    See `ClipSource`.

    Args:
        split: `train` or `test`; no combination of attributes is in both.
        levels: Levels of difficulty, one of which is drawn per clip.
        seed: Of all scenes.
        size: How many clips there are.
        frames: Of each clip.
        side: Height and width in pixels.
        fps: Frames per second.
    """

    def __init__(
        self,
        split: str,
        *,
        levels: Sequence[int] = (1,),
        seed: int = 0,
        size: int = ENDLESS,
        frames: int = 17,
        side: int = 64,
        fps: float = 8.0,
    ) -> None:
        self.split, self.levels, self.seed, self.size = split, tuple(levels), seed, size
        self.frames, self.side, self.fps = frames, side, fps

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> TrainingClip:
        """Rendered clip with all its captions: the English ones, then the Chinese ones.

        Raises:
            IndexError: Not a number from 0 to len - 1.
        """
        scene = self.scene(index)
        frames = render(scene, self._render_seed(index), frames=self.frames, height=self.side, width=self.side)
        return TrainingClip(frames=torch.from_numpy(frames), captions=captions_of(scene), fps=self.fps)

    @property
    def description(self) -> str:
        """Equal texts mean equal clips, as far as both sources have them."""
        levels = ",".join(map(str, self.levels))
        shape = f"{self.frames}x{self.side}x{self.side} at {self.fps:g} fps"
        return f"moving-shapes version {WORLD_VERSION}, split {self.split}, levels {levels}, seed {self.seed}, {shape}"

    def captions(self, index: int) -> tuple[str, ...]:
        """Captions of clip `index`, without drawing it."""
        return captions_of(self.scene(index))

    def prompt(self, index: int) -> str:
        """One caption of clip `index`: languages take turns, and so do, more slowly, the templates."""
        language, template = index % len(LANGUAGES), index // len(LANGUAGES) % TEMPLATES
        return self.captions(index)[language * TEMPLATES + template]

    def scene(self, index: int) -> Scene:
        """What clip `index` shows.

        Raises:
            IndexError: There is no such clip.
        """
        if not 0 <= index < self.size:
            raise IndexError(f"clips have numbers from 0 to {self.size - 1}, got {index}")
        rng = self._rng(index)
        level = self.levels[int(rng.random() * len(self.levels))]
        return sample_scene(level, rng, split=self.split)

    def judge(self, index: int, frames: UInt8[Tensor, "time 3 height width"]) -> dict[str, float]:
        """Attribute of what clip `index` shows -> 1 if `frames` show it too, else 0."""
        return {name: float(right) for name, right in check_clip(frames.numpy(), self.scene(index)).items()}

    def _rng(self, index: int) -> np.random.Generator:
        return keyed_rng(["training", self.split, list(self.levels), self.seed], index)

    def _render_seed(self, index: int) -> int:
        return self.seed * ENDLESS + index


def captions_of(scene: Scene) -> tuple[str, ...]:
    """Every caption that the world knows for a scene: all English templates, then all Chinese ones."""
    return tuple(caption(scene, language, template) for language in LANGUAGES for template in range(TEMPLATES))
