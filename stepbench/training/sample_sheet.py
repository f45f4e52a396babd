"""Clips sampled from held-out prompts while a model trains, as a picture to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from reference_model.config import SamplingConfig
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.training.flow import Evaluation
from reference_model.training.preview import write_contact_sheet
from stepbench.training.clip_sizes import ClipSize
from stepbench.training.moving_shapes import MovingShapesClips
from stepbench.training.obedience import Obedience


class SampleSheet:
    """Always the same prompts and seeds; an `Evaluation` for training tasks that measures nothing.

    Args:
        pipeline: Made of the modules that are trained.
        prompts: One clip each.
    """

    def __init__(self, pipeline: TextToVideoPipeline, prompts: Sequence[str]) -> None:
        self.pipeline = pipeline
        self.prompts = list(prompts)

    def __call__(self, folder: Path, step: int) -> dict[str, float]:
        """Writes `samples-<step>.png`."""
        device = next(self.pipeline.transformer.parameters()).device
        with torch.autocast(device.type, torch.bfloat16):
            clips = self.pipeline(self.prompts, seeds=[[index] for index in range(len(self.prompts))])
        write_contact_sheet(folder / f"samples-{step:08d}.png", torch.stack([clip.frames for clip in clips]))
        return {}


def sample_judge(
    pipeline: TextToVideoPipeline, prompts: Sequence[str], count: int, world: MovingShapesClips | None
) -> Evaluation | None:
    """What looks at sampled clips: the world's ground truth where there is one, otherwise nobody but the reader.

    Args:
        pipeline: Made of the modules that are trained, with the size of the clips in its settings.
        prompts: Held-out ones.
        count: Clips per look; 0 turns it off.
        world: Held-out scenes.
    """
    if count == 0:
        return None
    if world is not None:
        return Obedience(pipeline, world, count=-(-count // 2))
    return SampleSheet(pipeline, [prompts[index % len(prompts)] for index in range(count)])


def sized(sampling: SamplingConfig, size: ClipSize, fps: float) -> SamplingConfig:
    """The settings with another size and rate."""
    return sampling.changed(num_frames=size.frames, height=size.height, width=size.width, fps=fps)
