"""The stages of training `tiny` on data made up, for `benchmarks/training.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reference_model import VideoVAE, tiny
from reference_model.training.data import to_float
from reference_model.training.distill import DistillTask, TeacherPairs
from reference_model.training.dpo import DPOTask
from reference_model.training.flow import FlowBatch, FlowTask
from reference_model.training.latents import ENCODED_TOGETHER, LatentStore
from reference_model.training.preference_latents import LatentPair
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.task import TrainingTask
from reference_model.training.text_states import PromptedTransformer
from reference_model.training.vae import VAETask
from stepbench.training.models import last_channels, new_start, seeded
from stepbench.training.moving_shapes import MovingShapesClips
from stepbench.training.recipes import RECIPES

CAPTIONS = 500
"""That new tokenizers are trained on."""
NEVER = 10**9


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where to measure, and at which size.

    Attributes:
        folder: For tokenizers and runs.
        device: Where models are trained.
        side: Of the clips, in pixels.
        batch_size: None means the recipe's.
    """

    folder: Path
    device: torch.device
    side: int
    batch_size: int | None

    @property
    def clips(self) -> MovingShapesClips:
        """Clips of 17 frames."""
        return MovingShapesClips("train", side=self.side)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Of one clip."""
        return (3, tiny().vae.z_channels, self.side // 16, self.side // 16)


class UncachedFlow(FlowTask):
    """Flow matching that encodes its clips whenever it sees them."""

    def __init__(self, model: PromptedTransformer, recipe: Any, store: LatentStore, place: Place) -> None:
        super().__init__(model, recipe, store, LatentStore([], []))
        self.vae = new_vae().requires_grad_(False).to(place.device)
        self.clips = place.clips

    @torch.no_grad()
    def batch(self, step: int, samples: Sequence[int]) -> FlowBatch:
        """As with stored latents, which are encoded in the same way."""
        batch = super().batch(step, samples)
        device, count = next(self.vae.parameters()).device, self.recipe.batch_size
        frames = torch.stack([self.clips[step * count + sample].frames for sample in samples])
        with torch.autocast(device.type, torch.bfloat16):
            parts = [self.vae.encode(to_float(part, device)).mean for part in frames.split(ENCODED_TOGETHER)]
        return replace(batch, latents=torch.cat(parts).float().cpu())


def new_vae() -> VideoVAE:
    with seeded(0):
        vae = VideoVAE(tiny().vae)
    last_channels(vae)
    return vae


def new_model(place: Place, *, train_text: bool) -> PromptedTransformer:
    captions = (place.clips.prompt(number) for number in range(CAPTIONS))
    start = new_start(tiny(), new_vae(), captions, place.folder / "tokenizers", seed=0)
    return start.prompted(train_text=train_text).to(place.device)


def vae_task(place: Place, recipe: Any) -> VAETask:
    task = VAETask(new_vae(), recipe, place.clips, place.clips)
    task.initialise()
    last_channels(task.model)
    task.model.to(place.device)
    return task


def stored(place: Place, recipe: TrainingRecipe) -> LatentStore:
    count = recipe.batch_size
    return LatentStore(
        list(normal(count, *place.latent_shape)), [list(place.clips.captions(number)) for number in range(count)]
    )


def flow_task(place: Place, recipe: Any) -> FlowTask:
    model = new_model(place, train_text=recipe.train_text)
    return FlowTask(model, recipe, stored(place, recipe), LatentStore([], []))


def uncached_flow_task(place: Place, recipe: Any) -> FlowTask:
    return UncachedFlow(new_model(place, train_text=recipe.train_text), recipe, stored(place, recipe), place)


def distill_task(place: Place, recipe: Any) -> DistillTask:
    latents, noise = normal(2, recipe.batch_size, *place.latent_shape)
    prompts = [place.clips.prompt(number) for number in range(recipe.batch_size)]
    return DistillTask(
        new_model(place, train_text=False), recipe, TeacherPairs(prompts=prompts, latents=latents, noise=noise)
    )


def dpo_task(place: Place, recipe: Any) -> DPOTask:
    winners, losers = normal(2, recipe.batch_size, *place.latent_shape)
    pairs = [
        LatentPair(prompt=place.clips.prompt(number), winner=winner, loser=loser, share=0.8)
        for number, (winner, loser) in enumerate(zip(winners, losers, strict=True))
    ]
    return DPOTask(new_model(place, train_text=False), recipe, pairs, [])


TASKS: dict[str, Callable[[Place, Any], TrainingTask]] = {
    "vae": vae_task,
    "flow": flow_task,
    "distill": distill_task,
    "dpo": dpo_task,
}


def measured_recipe(stage: str, place: Place) -> TrainingRecipe:
    """The shipped recipe, of a run that neither ends nor saves nor looks at held-out data while it is measured."""
    changes: dict[str, Any] = {"steps": NEVER, "log_every": 1, "save_every": NEVER, "sample_every": NEVER}
    changes |= {"vae": {"start_clips": 0}, "distill": {"held_out": 0}}.get(stage, {})
    if place.batch_size is not None:
        changes["batch_size"] = place.batch_size
    return replace(RECIPES["tiny"][stage](), **changes, keep_checkpoints=1)


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
