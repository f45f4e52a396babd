"""Stands in for a trained model of the moving-shapes world: draws what a caption says, or something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from reference_model.config import SamplingConfig
from reference_model.sampling.samples import GeneratedVideo
from stepbench.worlds.moving_shapes.captions import parse_caption
from stepbench.worlds.moving_shapes.render import render
from stepbench.worlds.moving_shapes.scene import Scene

SAMPLING = SamplingConfig(num_frames=17, height=64, width=64, fps=8.0)


class WorldPipeline:
    """The calls of `TextToVideoPipeline` that training makes; remembers (prompt, seed) of all clips.

    Args:
        draws: (what the caption says, seed) -> what is drawn.
    """

    def __init__(self, draws: Callable[[Scene, int], Scene] = lambda scene, seed: scene) -> None:
        self.transformer = nn.Linear(2, 1)
        self.sampling = SAMPLING
        self.draws = draws
        self.made: list[tuple[str, int]] = []

    def __call__(
        self, prompts: Sequence[str], *, seeds: Sequence[Sequence[int]], batch_size: int
    ) -> list[GeneratedVideo]:
        assert torch.is_autocast_enabled("cpu")
        clips = []
        for prompt, row in zip(prompts, seeds, strict=True):
            for seed in row:
                self.made.append((prompt, seed))
                frames = render(self.draws(parse_caption(prompt), seed), seed, frames=17, height=64, width=64)
                clips.append(GeneratedVideo(prompt=prompt, seed=seed, frames=torch.from_numpy(frames), fps=8.0))
        return clips


def changed(scene: Scene, **attributes: object) -> Scene:
    """The scene with other attributes of its object."""
    return replace(scene, objects=(replace(scene.objects[0], **attributes),))


def with_wrong_colour(scene: Scene) -> Scene:
    return changed(scene, colour="red" if scene.objects[0].colour != "red" else "blue")
