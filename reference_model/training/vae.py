"""Training the Video-VAE: reconstruction, with weight on what moves, and KL divergence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from reference_model.errors import ConfigError
from reference_model.training.adversarial import PatchDiscriminator, PatchOpponent
from reference_model.training.data import ClipSource, clip_indices, drawn_bucket, step_generator, to_float
from reference_model.training.linear_start import linear_start, random_start
from reference_model.training.preview import write_contact_sheet
from reference_model.training.recipe import TrainingRecipe
from reference_model.vae.model import Clips, VideoVAE
from reference_model.vae.posterior import DiagonalGaussian

MOVING_THRESHOLD = 0.1
"""A place moves if any of its colours changes by more than this during the clip, on the scale from -1 to 1."""

Judge = Callable[[int, UInt8[Tensor, "time 3 height width"]], dict[str, float]]
"""(number of a held-out clip, its reconstruction) -> figures, such as whether its content can still be recognised."""

PerceptualDistance = Callable[
    [Float[Tensor, "frames 3 height width"], Float[Tensor, "frames 3 height width"]], Float[Tensor, " frames"]
]
"""(reconstructed frames, original frames), in [-1, 1] -> one differentiable distance per frame."""


@dataclass(frozen=True, kw_only=True)
class VAERecipe(TrainingRecipe):
    """Recipe of the Video-VAE.

    Attributes:
        kl_weight: Of the KL divergence, summed over a clip's latents, in nats.
        moving_weight: Added to the weight 1 of pixels that move (`moving_pixels`).
        image_share: Share of batches that hold single frames instead of clips.
        image_steps: Steps at the start whose batches hold single frames only.
        start_clips: Clips that the linear start is fitted to; 0 starts from random weights.
        held_out: Clips of the test source that figures are computed on.
        trained: `decoder` leaves the encoder, and with it the latents, as they are, and drops the KL divergence.
        perceptual_weight: Of the distance that the task is given.
        adversarial_weight: Of the judgement of a discriminator (`PatchOpponent`); 0 does without one.
        adversarial_start: Steps before it comes in.
        adversarial_width: Its channels after the first layer.
        adversarial_r1: Weight of the penalty on its gradient.
    """

    MAY_CHANGE = TrainingRecipe.MAY_CHANGE | {"held_out"}

    kl_weight: float = 1e-5
    moving_weight: float = 4.0
    image_share: float = 0.0
    image_steps: int = 0
    start_clips: int = 40
    held_out: int = 32
    trained: Literal["all", "decoder"] = "all"
    perceptual_weight: float = 0.0
    adversarial_weight: float = 0.0
    adversarial_start: int = 0
    adversarial_width: int = 16
    adversarial_r1: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("kl_weight", "moving_weight", "perceptual_weight", "adversarial_weight", "adversarial_r1"):
            self._require(getattr(self, name) >= 0, f"{name} must not be negative", name)
        for name in ("image_steps", "start_clips", "adversarial_start"):
            self._require(getattr(self, name) >= 0, f"{name} must not be negative", name)
        for name in ("held_out", "adversarial_width"):
            self._require(getattr(self, name) >= 1, f"{name} must be at least 1", name)
        self._require(0 <= self.image_share <= 1, "image_share must be 0 to 1", "image_share")
        self._require(self.trained in ("all", "decoder"), "trained is all or decoder", "trained")


class VAETask:
    """See `TrainingTask`.

    Args:
        vae: Trained in place.
        recipe: Settings.
        train: Clips; the first ones, which the linear start is fitted to, have 17 frames and one size.
        test: Held-out clips, all of one size.
        judge: Further figures on reconstructions.
        perceptual: Distance of reconstructed from original frames, for instance LPIPS.

    Raises:
        ConfigError: If the recipe gives a weight to a perceptual distance, and there is none.
    """

    def __init__(
        self,
        vae: VideoVAE,
        recipe: VAERecipe,
        train: ClipSource,
        test: ClipSource,
        judge: Judge | None = None,
        perceptual: PerceptualDistance | None = None,
    ) -> None:
        self.model = vae
        self.recipe = recipe
        self.train = train
        self.test = test
        self.judge = judge
        self.perceptual = perceptual
        self.opponent = _opponent(recipe, next(vae.parameters()).device)
        # Without gradients to any weight of the encoder, autograd does not record it at all.
        vae.encoder.requires_grad_(recipe.trained == "all")
        if recipe.perceptual_weight and perceptual is None:
            raise ConfigError(
                f"perceptual_weight is {recipe.perceptual_weight}, but there is no perceptual distance",
                hint="pass one to the task, or set perceptual_weight to 0",
            )

    def initialise(self) -> None:
        """Sets the first weights, from the seed and the first clips of the training source.

        Raises:
            ConfigError: If only the decoder is to be trained: then the weights come from a trained VAE.
        """
        if self.recipe.trained == "decoder":
            raise ConfigError(
                "trained='decoder' goes on from a trained VAE, whose encoder initialise() would overwrite",
                hint="load the weights of a trained VAE instead",
            )
        generator, device = step_generator(self.recipe.seed, _START), next(self.model.parameters()).device
        self.model.cpu()
        if self.recipe.start_clips:
            clips = torch.stack([self.train[index].frames for index in range(self.recipe.start_clips)])
            linear_start(self.model, to_float(clips), generator)
        else:
            random_start(self.model, generator)
        self.model.to(device)

    def batch(self, step: int, samples: Sequence[int]) -> Clips:
        """(samples, time, 3, height, width) in [-1, 1]; one frame per clip where the step is one of images."""
        bucket = drawn_bucket(self.train, step_generator(self.recipe.seed, _BUCKET, step, 1))
        indices = clip_indices(step, self.recipe.batch_size, len(bucket), self.recipe.seed)
        clips = torch.stack([self.train[bucket[indices[sample]]].frames for sample in samples])
        if self._is_image_step(step):
            frames = [int(self._draw(step, sample) * clips.shape[1]) for sample in samples]
            clips = clips[torch.arange(len(samples)), frames][:, None]
        return to_float(clips)

    def loss(
        self, model: nn.Module, batch: Clips, step: int, samples: Sequence[int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted squared error plus, where the encoder is trained, KL divergence; further terms by the recipe."""
        batch = batch.to(next(self.model.parameters()).device)
        generators = [step_generator(self.recipe.seed, step, sample) for sample in samples]
        reconstruction, posterior = model(batch, generators)
        error = (reconstruction.float() - batch).square()
        weight = 1 + self.recipe.moving_weight * moving_pixels(batch)
        divergence = kl_divergence(posterior).mean()
        figures = {"psnr": psnr(error.mean()), "kl": divergence, "latent_std": posterior.mean.float().std()}
        loss = (error * weight).mean()
        if self.recipe.trained == "all":
            loss = loss + self.recipe.kl_weight * divergence
        if self.perceptual is not None and self.recipe.perceptual_weight:
            distance = self.perceptual(reconstruction.float().flatten(0, 1), batch.flatten(0, 1)).mean()
            loss, figures["perceptual"] = loss + self.recipe.perceptual_weight * distance, distance
        if self.opponent is not None and step >= self.recipe.adversarial_start:
            objection = self.opponent.objection(batch, reconstruction)
            loss, figures["objection"] = loss + self.recipe.adversarial_weight * objection, objection
        return loss, figures

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        """PSNR on all and on moving pixels, latent spread, the judge's figures; a sheet of originals and copies."""
        originals = to_float(torch.stack([self.test[index].frames for index in range(self.recipe.held_out)]))
        device = next(self.model.parameters()).device
        copies, spread = [], []
        for clip in originals.split(4):
            mean = self.model.encode(clip.to(device)).mean
            spread.append(mean.float().std().item())
            copies.append(self.model.decode(mean).float().clamp(-1, 1).cpu())
        copied = torch.cat(copies)
        error, moving = (copied - originals).square(), moving_pixels(originals).expand_as(originals)
        figures = {"psnr": psnr(error.mean()).item(), "psnr_moving": psnr(error[moving].mean()).item()}
        pixels = to_uint8(copied)
        write_contact_sheet(folder / f"reconstructions-{step:08d}.png", interleave(to_uint8(originals), pixels)[:12])
        return figures | {"latent_std": float(np.mean(spread))} | self._judged(pixels)

    def _judged(self, pixels: UInt8[Tensor, "batch time 3 height width"]) -> dict[str, float]:
        if self.judge is None:
            return {}
        answers = [self.judge(index, clip) for index, clip in enumerate(pixels)]
        names = sorted({name for answer in answers for name in answer})
        return {name: float(np.mean([answer[name] for answer in answers if name in answer])) for name in names}

    def _is_image_step(self, step: int) -> bool:
        return step < self.recipe.image_steps or self._draw(step, -1) < self.recipe.image_share

    def _draw(self, step: int, sample: int) -> float:
        return torch.rand((), generator=step_generator(self.recipe.seed, _FRAMES, step, sample + 1)).item()


_START, _FRAMES, _OPPONENT, _BUCKET = 1, 2, 3, 4


def _opponent(recipe: VAERecipe, device: torch.device) -> PatchOpponent | None:
    if not recipe.adversarial_weight:
        return None
    discriminator = PatchDiscriminator(recipe.adversarial_width, step_generator(recipe.seed, _OPPONENT))
    return PatchOpponent(discriminator.to(device), recipe.learning_rate, recipe.adversarial_r1)


def moving_pixels(clips: Clips) -> Bool[Tensor, "batch 1 1 height width"]:
    """Places where something moves at any time; none in a single frame."""
    change = clips.amax(dim=1, keepdim=True) - clips.amin(dim=1, keepdim=True)
    return change.amax(dim=2, keepdim=True) > MOVING_THRESHOLD


def kl_divergence(posterior: DiagonalGaussian) -> Float[Tensor, " batch"]:
    """From the standard normal distribution, in nats, summed over each clip's latents (Kingma and Welling 2014)."""
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).flatten(1).sum(dim=1)


def psnr(mean_squared_error: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """In dB, of an error on the scale from -1 to 1, whose peak is 2."""
    return -10 * torch.log10(mean_squared_error.detach() / 4)


def to_uint8(clips: Clips) -> UInt8[Tensor, "batch time 3 height width"]:
    """Pixels from -1 to 1 as 0 to 255."""
    return (clips.clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)


def interleave(first: Tensor, second: Tensor) -> Tensor:
    """a0 b0 a1 b1 and so on."""
    return torch.stack([first, second], dim=1).flatten(0, 1)
