"""Training the transformer by flow matching, the text encoders along with it where these are small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reference_model.errors import ConfigError
from reference_model.training.data import clip_indices, drawn_bucket, step_generator
from reference_model.training.latents import LatentStore
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.text_states import Latents, PromptedTransformer
from reference_model.transformer.block import TransformerBlock
from reference_model.transformer.model import StepVideoTransformer
from reference_model.transformer.norm import RMSNorm

TimeSampling = Literal["logit-normal", "uniform"]
Evaluation = Callable[[Path, int], dict[str, float]]
"""(folder for previews, step) -> figures."""

TESTED_TOGETHER = 32


@dataclass(frozen=True, kw_only=True)
class FlowRecipe(TrainingRecipe):
    """Recipe of flow matching.

    Attributes:
        time_sampling: Times of training: the logistic function of a normal variable (Esser et al. 2024, section 3.1),
            or uniform.
        logit_mean: Of that normal variable; positive means times near the data.
        logit_std: Its standard deviation.
        time_shift: Moves times towards the noise, as the sampler's schedule does; 1 leaves them.
        text_dropout: Share of samples whose prompt is replaced by the empty one, for guidance.
        train_text: Train the text encoders too.
        held_out: The test loss is computed on so many held-out clips, the first ones.
    """

    MAY_CHANGE = TrainingRecipe.MAY_CHANGE | {"held_out"}

    time_sampling: TimeSampling = "logit-normal"
    logit_mean: float = 0.0
    logit_std: float = 1.0
    time_shift: float = 1.0
    text_dropout: float = 0.1
    train_text: bool = False
    held_out: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(0 <= self.text_dropout <= 1, "text_dropout must be 0 to 1", "text_dropout")
        self._require(self.time_shift > 0, "time_shift must be above 0", "time_shift")
        self._require(self.logit_std > 0, "logit_std must be above 0", "logit_std")
        self._require(self.held_out >= 0, "held_out must not be negative", "held_out")
        known = self.time_sampling in ("logit-normal", "uniform")
        self._require(known, "time_sampling is 'logit-normal' or 'uniform'", "time_sampling")


@dataclass(frozen=True, kw_only=True)
class FlowBatch:
    """Clips of one shape with a prompt each.

    Attributes:
        latents: Float32.
        prompts: Empty where the text was dropped.
        fps: Frames per second.
    """

    latents: Latents
    prompts: list[str]
    fps: Float[Tensor, " batch"]


class FlowTask:
    """See `TrainingTask`. Images and clips of several sizes and lengths may be mixed: a batch holds one shape.

    Args:
        model: Transformer and text encoders.
        recipe: Settings.
        train: Latents to learn from; a batch has one caption of each clip, any of them with equal chance.
        test: Held-out latents.
        judge: Further figures, for instance on clips sampled from held-out prompts.

    Raises:
        ConfigError: If a clip has no caption.
    """

    def __init__(
        self,
        model: PromptedTransformer,
        recipe: FlowRecipe,
        train: LatentStore,
        test: LatentStore,
        judge: Evaluation | None = None,
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.train = train
        self.test = test
        self.judge = judge
        for name, store in (("train", train), ("test", test)):
            silent = [index for index, captions in enumerate(store.captions) if not captions]
            if silent:
                raise ConfigError(
                    f"every clip needs a caption, but {len(silent)} {name} clips have none, first number {silent[0]}",
                    hint="the caption '' stands for none",
                )

    def batch(self, step: int, samples: Sequence[int]) -> FlowBatch:
        """Clips of one bucket; each bucket is drawn as often as it has clips."""
        bucket = drawn_bucket(self.train, step_generator(self.recipe.seed, _BUCKET, step))
        indices = clip_indices(step, self.recipe.batch_size, len(bucket), self.recipe.seed)
        chosen = [bucket[indices[sample]] for sample in samples]
        prompts = [self._prompt(step, sample, index) for sample, index in zip(samples, chosen, strict=True)]
        return _collate(self.train, chosen, prompts)

    def loss(
        self, model: nn.Module, batch: FlowBatch, step: int, samples: Sequence[int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error of the velocity `data - noise` at `(1 - t) noise + t data`."""
        generators = [step_generator(self.recipe.seed, _NOISE, step, sample) for sample in samples]
        return self._errors(model, batch, generators).mean(), {}

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        """Loss on held-out clips, always at the same times and noise, and the judge's figures."""
        errors = []
        for bucket in self.test.buckets:
            chosen = [index for index in bucket if index < self.recipe.held_out]
            for start in range(0, len(chosen), TESTED_TOGETHER):
                indices = chosen[start : start + TESTED_TOGETHER]
                prompts = [self.test.captions[index][index % len(self.test.captions[index])] for index in indices]
                generators = [step_generator(self.recipe.seed, _TEST, index) for index in indices]
                errors.append(self._errors(self.model, _collate(self.test, indices, prompts), generators))
        figures = {"loss": torch.cat(errors).mean().item()} if errors else {}
        return figures | (self.judge(folder, step) if self.judge else {})

    def _errors(
        self, model: nn.Module, batch: FlowBatch, generators: Sequence[torch.Generator]
    ) -> Float[Tensor, " batch"]:
        device = next(self.model.parameters()).device
        times, noise = draw_times_and_noise(batch.latents, generators, self.recipe)
        data, noise, times, fps = (value.to(device) for value in (batch.latents, noise, times, batch.fps))
        return velocity_error(model, data, noise, times, batch.prompts, fps)

    def _prompt(self, step: int, sample: int, index: int) -> str:
        generator = step_generator(self.recipe.seed, _PROMPT, step, sample)
        dropped, choice = torch.rand(2, generator=generator).tolist()
        captions = self.train.captions[index]
        return "" if dropped < self.recipe.text_dropout else captions[int(choice * len(captions))]


_NOISE, _TEST, _BUCKET, _PROMPT = 10, 11, 12, 13


def _collate(store: LatentStore, indices: Sequence[int], prompts: list[str]) -> FlowBatch:
    return FlowBatch(
        latents=torch.stack([store.latents[index] for index in indices]).float(),
        prompts=prompts,
        fps=torch.tensor([store.fps[index] for index in indices]),
    )


def velocity_error(
    model: nn.Module,
    data: Latents,
    noise: Latents,
    times: Float[Tensor, " batch"],
    prompts: Sequence[str],
    fps: Float[Tensor, " batch"] | None = None,
) -> Float[Tensor, " batch"]:
    """Squared error of the predicted velocity at `(1 - t) noise + t data`, averaged over each sample's latents.

    Args:
        model: (noisy latents, times, prompts, frames per second) -> velocity.
        data: Clean latents.
        noise: Same shape.
        times: From 0 (noise) to 1 (data).
        prompts: One per row.
        fps: Frames per second, for transformers with additional conditions.
    """
    share = times.view(-1, 1, 1, 1, 1)
    velocity = model((1 - share) * noise + share * data, times, prompts, fps)
    return (velocity.float() - (data - noise)).square().flatten(1).mean(dim=1)


def draw_times_and_noise(
    data: Latents, generators: Sequence[torch.Generator], recipe: FlowRecipe
) -> tuple[Float[Tensor, " batch"], Latents]:
    """Each row's time and noise from its own generator, on the CPU."""
    times = torch.stack([draw_time(generator, recipe) for generator in generators])
    return times, torch.stack([torch.randn(data.shape[1:], generator=generator) for generator in generators])


def draw_time(generator: torch.Generator, recipe: FlowRecipe) -> Float[Tensor, ""]:
    """A time from 0 (noise) to 1 (data); the shift k maps noise level s = 1 - t to k s / (1 + (k - 1) s)."""
    if recipe.time_sampling == "logit-normal":
        normal = torch.randn((), generator=generator)
        noise_level = torch.sigmoid(-(recipe.logit_mean + recipe.logit_std * normal))
    else:
        noise_level = torch.rand((), generator=generator)
    shift = recipe.time_shift
    return 1 - shift * noise_level / (1 + (shift - 1) * noise_level)


GATES = (2, 5)
"""Rows of a block's table that its two modulated branches are multiplied with."""


@torch.no_grad()
def initialise_transformer(transformer: StepVideoTransformer, generator: torch.Generator) -> None:
    """First weights of a `StepVideoTransformer` that is trained from scratch.

    Linear layers are uniform with unit gain (Glorot and Bengio 2010), norms change nothing, time does not modulate the
    blocks yet, their gates are open, and the predicted velocity is zero.

    Args:
        transformer: In float32 on the CPU.
        generator: All weights depend on it alone.
    """
    for module in transformer.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            fan_out, fan_in = module.weight.shape[0], module.weight[0].numel()
            limit = (6 / (fan_in + fan_out)) ** 0.5
            module.weight.uniform_(-limit, limit, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            module.reset_parameters()
        elif isinstance(module, RMSNorm):
            nn.init.ones_(module.weight)
        elif isinstance(module, TransformerBlock):
            nn.init.zeros_(module.scale_shift_table)
            module.scale_shift_table[list(GATES)] = 1.0
    nn.init.zeros_(transformer.adaln_single.linear.weight)
    nn.init.zeros_(transformer.proj_out.weight)
    nn.init.zeros_(transformer.scale_shift_table)
