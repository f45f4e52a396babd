"""How well a model obeys captions of the moving-shapes world while it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.training.preview import write_contact_sheet
from stepbench.training.moving_shapes import MovingShapesClips
from stepbench.worlds.moving_shapes.lexicon import LANGUAGES

SHOWN_CLIPS = 12
GRADED = ("colour", "shape", "size", "direction", "speed")
"""Attributes of an object that a caption asks for. A still scene has no speed."""


class Obedience:
    """Samples clips from held-out captions and checks them; an `Evaluation` for training tasks.

    Args:
        pipeline: Made of the modules that are trained.
        source: Held-out scenes.
        count: Clips per language.
        batch_size: Clips sampled together.
    """

    def __init__(
        self, pipeline: TextToVideoPipeline, source: MovingShapesClips, count: int = 48, batch_size: int = 32
    ) -> None:
        self.pipeline = pipeline
        self.source = source
        self.count = count
        self.batch_size = batch_size

    def __call__(self, folder: Path, step: int) -> dict[str, float]:
        """Share of right answers per attribute, their mean (`obeyed`), and that mean for each language by itself.

        The scenes, captions and seeds are always the same ones: the first of the source. Writes `samples-<step>.png`.
        """
        indices = list(range(self.count * len(LANGUAGES)))
        prompts = [self.source.prompt(index) for index in indices]
        device = next(self.pipeline.transformer.parameters()).device
        with torch.autocast(device.type, torch.bfloat16):
            clips = self.pipeline(prompts, seeds=[[index] for index in indices], batch_size=self.batch_size)
        answers = [self.source.judge(index, clip.frames) for index, clip in zip(indices, clips, strict=True)]
        shown = torch.stack([clip.frames for clip in clips[:SHOWN_CLIPS]])
        write_contact_sheet(folder / f"samples-{step:08d}.png", shown)
        figures = attribute_shares(answers)
        for number, language in enumerate(LANGUAGES):
            figures[f"obeyed_{language}"] = attribute_shares(answers[number :: len(LANGUAGES)])["obeyed"]
        return figures


def attribute_shares(answers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Share of right answers for each graded attribute, and the mean of these shares as `obeyed`.

    Each attribute counts the same in that mean, however many clips were asked for it. One that no clip was asked for
    is left out.

    Args:
        answers: Of each clip: attribute -> 1 if right, 0 if wrong. Attributes that are not graded are passed over.
    """
    asked = {name: [answer[name] for answer in answers if name in answer] for name in GRADED}
    shares = {name: float(np.mean(values)) for name, values in asked.items() if values}
    return shares | {"obeyed": float(np.mean(list(shares.values())))}
