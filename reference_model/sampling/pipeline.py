"""TextToVideoPipeline: prompts and seeds in, clips out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from reference_model.config import SamplingConfig
from reference_model.errors import ReferenceModelError
from reference_model.sampling.guidance import Latents, prompted_velocity
from reference_model.sampling.noise import seeded_noise
from reference_model.sampling.pixels import to_uint8
from reference_model.sampling.sampler import sample_latents
from reference_model.sampling.samples import GeneratedVideo, Sample, Seeds, list_samples
from reference_model.sampling.schedule import FlowMatchingSchedule
from reference_model.sampling.sizes import latent_shape
from reference_model.text.conditioning import TextConditioning
from reference_model.transformer.model import StepVideoTransformer

if TYPE_CHECKING:
    from reference_model.parallel.config import ParallelConfig


@runtime_checkable
class TextEncoder(Protocol):
    """What the pipeline needs of the text encoders; they may live in another process."""

    def encode(self, prompts: Sequence[str]) -> TextConditioning:
        """One row per prompt."""
        ...


@runtime_checkable
class VideoDecoder(Protocol):
    """What the pipeline needs of the VAE; it may live in another process."""

    def decode_chunks(self, latents: Latents) -> Iterator[Float[Tensor, "batch time 3 height width"]]:
        """Consecutive pieces of the clips in [-1, 1]."""
        ...


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a callback is told after every denoising step.

    Attributes:
        samples: The samples of the batch at work.
        index: 0 to num_steps - 1.
        num_steps: Steps of the whole schedule.
        time: The time the step started at.
        latents: float32 (batch, frames, channels, height, width) after the step; not to be changed.
    """

    samples: Sequence[Sample]
    index: int
    num_steps: int
    time: float
    latents: Latents


StepCallback = Callable[[Step], None]


class TextToVideoPipeline:
    """Text encoders, transformer and VAE decoder joined into one call.

    A clip is a function of prompt, seed and settings: noise comes from a generator per sample, and batching changes
    nothing but the order of floating-point operations.

    Args:
        transformer: The denoiser; it says where and in which dtype latents are computed.
        vae: Decoder of latents.
        text_encoder: Encoder of prompts.
        sampling: Default settings.
        parallel: Share the work among the processes of a `torchrun`: the models are changed in place, all processes
            call the pipeline alike, and all get the clips (`reference_model.parallel`).

    Raises:
        ConfigError: For degrees of parallelism that fit neither the models nor the processes.
    """

    def __init__(
        self,
        transformer: StepVideoTransformer,
        vae: VideoDecoder,
        text_encoder: TextEncoder,
        sampling: SamplingConfig,
        *,
        parallel: ParallelConfig | None = None,
    ) -> None:
        self.transformer = transformer
        self.vae = vae
        self.text_encoder = text_encoder
        self.sampling = sampling
        if parallel is not None:
            from reference_model.parallel.pipeline import parallelise

            parallelise(self, parallel)

    def __call__(self, prompts: str | Sequence[str], **options: Any) -> list[GeneratedVideo]:
        """All clips of `stream`, in its order. Takes the same options."""
        return list(self.stream(prompts, **options))

    def stream(
        self,
        prompts: str | Sequence[str],
        *,
        seeds: Seeds = 0,
        negative_prompt: str | None = None,
        batch_size: int = 1,
        batched_guidance: bool = True,
        callback: StepCallback | None = None,
        progress: bool = False,
        **changes: Any,
    ) -> Iterator[GeneratedVideo]:
        """Makes clips and yields each as soon as it is decoded, prompt after prompt, seeds in order.

        Args:
            prompts: One or several.
            seeds: One for all, a list used for every prompt, or a list per prompt (`list_samples`).
            negative_prompt: In place of `SamplingConfig.negative_magic`.
            batch_size: Samples that are denoised together.
            batched_guidance: Run both texts of guidance in one pass, or one after the other with less memory.
            callback: Called after every step.
            progress: Show a progress bar on stderr.
            **changes: Any field of `SamplingConfig`, for this call only.

        Raises:
            ConfigError: For an unknown or impossible setting.
            ShapeError: For a size or length that no clip can have, with the nearest valid ones.
            ReferenceModelError: For prompts and seeds that do not make up a list of samples.
        """
        settings = self.sampling.changed(**changes)
        samples = list_samples(prompts, seeds)
        if batch_size < 1:
            raise ReferenceModelError(f"batch_size must be at least 1, got {batch_size}")
        self.latent_shape(settings)
        batches = [samples[start : start + batch_size] for start in range(0, len(samples), batch_size)]
        return self._clips(batches, settings, negative_prompt, batched_guidance, callback, progress)

    def latent_shape(self, settings: SamplingConfig) -> tuple[int, int, int, int]:
        """(frames, channels, height, width) of one clip's latents; raises `ShapeError` if there is no such clip."""
        cfg = self.transformer.cfg
        return latent_shape(
            settings.num_frames, settings.height, settings.width, cfg.in_channels, patch_size=cfg.patch_size
        )

    @torch.no_grad()
    def encode_prompts(
        self, prompts: Sequence[str], settings: SamplingConfig, negative_prompt: str | None = None
    ) -> tuple[TextConditioning, TextConditioning | None]:
        """First stage: (prompts with the positive magic, negative prompt); the latter is None without guidance."""
        positive = [prompt + settings.positive_magic for prompt in prompts]
        if settings.guidance_scale <= 1:
            return self.text_encoder.encode(positive), None
        negative = settings.negative_magic if negative_prompt is None else negative_prompt
        both = self.text_encoder.encode([*positive, negative])
        return both.rows(list(range(len(positive)))), both.rows([len(positive)])

    @torch.no_grad()
    def denoise(
        self,
        noise: Latents,
        positive: TextConditioning,
        negative: TextConditioning | None,
        settings: SamplingConfig,
        *,
        batched_guidance: bool = True,
        callback: Callable[[int, float, Latents], None] | None = None,
    ) -> Latents:
        """Second stage: float32 latents of a batch, from noise and one row of text per sample.

        With `compat="upstream"` the noise is rounded to bfloat16 first, as the released pipeline does.
        """
        noise = noise.to(next(self.transformer.parameters()).device)
        if settings.compat == "upstream":
            noise = noise.bfloat16()
        velocity = prompted_velocity(
            self.transformer,
            positive,
            None if negative is None else negative.rows([0] * len(positive)),
            settings.guidance_scale,
            batched=batched_guidance,
            fps=settings.fps if self.transformer.cfg.use_additional_conditions else None,
            compat=settings.compat,
        )
        schedule = FlowMatchingSchedule(settings.num_steps, settings.time_shift, reverse=settings.reverse)
        return sample_latents(velocity, noise, schedule, callback=callback)

    @torch.no_grad()
    def decode(self, latents: Latents, settings: SamplingConfig) -> UInt8[Tensor, "batch time 3 height width"]:
        """Third stage: uint8 clips on the CPU, moved there chunk by chunk."""
        return torch.cat([to_uint8(chunk, settings.compat).cpu() for chunk in self.vae.decode_chunks(latents)], dim=1)

    def _clips(
        self,
        batches: list[list[Sample]],
        settings: SamplingConfig,
        negative_prompt: str | None,
        batched_guidance: bool,
        callback: StepCallback | None,
        progress: bool,
    ) -> Iterator[GeneratedVideo]:
        prompts = list(dict.fromkeys(sample.prompt for batch in batches for sample in batch))
        positive, negative = self.encode_prompts(prompts, settings, negative_prompt)
        with Progress(console=Console(stderr=True), disable=not progress) as bar:
            task = bar.add_task("denoising", total=len(batches) * settings.num_steps)

            def notify(step: Step) -> None:
                bar.advance(task)
                if callback is not None:
                    callback(step)

            for batch in batches:
                latents = self.denoise(
                    seeded_noise([sample.seed for sample in batch], self.latent_shape(settings), settings.compat),
                    positive.rows([prompts.index(sample.prompt) for sample in batch]),
                    negative,
                    settings,
                    batched_guidance=batched_guidance,
                    callback=_as_steps(batch, settings.num_steps, notify),
                )
                for sample, clip in zip(batch, latents.split(1), strict=True):
                    frames = self.decode(clip, settings)[0]
                    yield GeneratedVideo(prompt=sample.prompt, seed=sample.seed, frames=frames, fps=settings.fps)


def _as_steps(batch: Sequence[Sample], num_steps: int, notify: StepCallback) -> Callable[[int, float, Latents], None]:
    return lambda index, time, latents: notify(
        Step(samples=batch, index=index, num_steps=num_steps, time=time, latents=latents)
    )
