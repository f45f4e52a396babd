"""What a clip will cost before any weight is loaded: operations, memory and time, from configs alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reference_model.config import SamplingConfig
from reference_model.memory import costs
from reference_model.memory.activations import step_llm_bytes, transformer_bytes, vae_decoder_bytes
from reference_model.presets import Preset, step_video_t2v
from reference_model.sampling.sizes import latent_shape
from reference_model.vae.lengths import LATENT_FRAMES_PER_CHUNK

ELEMENT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
RELEASED_DTYPES = {"llm": "bfloat16", "clip": "float32", "transformer": "bfloat16", "vae": "bfloat16"}


@dataclass(frozen=True, kw_only=True)
class StageEstimate:
    """One of the three stages: `text_encode`, `denoise`, `vae_decode`.

    Attributes:
        parameters: Of its models.
        weight_bytes: Of its models.
        activation_bytes: Peak beside the weights; see `reference_model.memory.activations` for what is left out.
        flops: For one clip.
    """

    parameters: int
    weight_bytes: int
    activation_bytes: int
    flops: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One clip on one device.

    Attributes:
        stages: By name, in order.
        step_flops: Of one denoising step, guidance included.
    """

    stages: Mapping[str, StageEstimate]
    step_flops: int

    @property
    def flops(self) -> int:
        """Of all stages."""
        return sum(stage.flops for stage in self.stages.values())

    @property
    def peak_bytes(self) -> int:
        """With all weights on the device."""
        stages = self.stages.values()
        return sum(stage.weight_bytes for stage in stages) + max(stage.activation_bytes for stage in stages)

    @property
    def offloaded_peak_bytes(self) -> int:
        """With only the weights of the stage at work on the device."""
        return max(stage.weight_bytes + stage.activation_bytes for stage in self.stages.values())

    def seconds(self, sustained_tflops: float) -> float:
        """At a sustained speed in 10^12 operations per second; loading and moving weights not counted."""
        return self.flops / (sustained_tflops * 1e12)


def estimate(
    preset: Preset,
    sampling: SamplingConfig | None = None,
    *,
    dtypes: Mapping[str, str] = RELEASED_DTYPES,
    fp8: bool = False,
    batched_guidance: bool = True,
) -> Estimate:
    """What one clip costs on one device.

    Args:
        preset: Configs of the model.
        sampling: Size and number of steps; None takes the preset's.
        dtypes: Of the weights of `llm`, `clip`, `transformer` and `vae`; activations have the same.
        fp8: Linear layers of the transformer's blocks are stored in 8 bits.
        batched_guidance: Both texts of guidance go through the transformer together.

    Raises:
        ShapeError: For a size that no clip can have.
    """
    sampling = sampling or preset.sampling
    size = {name: ELEMENT_BYTES[dtype] for name, dtype in dtypes.items()}
    cfg, passes = preset.transformer, 2 if sampling.guidance_scale > 1 else 1
    frames, _, height, width = latent_shape(
        sampling.num_frames, sampling.height, sampling.width, cfg.in_channels, patch_size=cfg.patch_size
    )
    tokens = frames * (height // cfg.patch_size) * (width // cfg.patch_size)
    llm_words, clip_words = preset.llm.max_prompt_tokens, preset.clip.max_prompt_tokens
    words = llm_words + (clip_words if cfg.clip_channels is not None else 0)

    llm, clip = costs.total(costs.step_llm(preset.llm)), costs.total(costs.clip_text(preset.clip))
    text = StageEstimate(
        parameters=llm.parameters + clip.parameters,
        weight_bytes=llm.parameters * size["llm"] + clip.parameters * size["clip"],
        activation_bytes=step_llm_bytes(preset.llm, size["llm"]),
        flops=passes * (llm.flops + clip.flops),
    )
    dit = costs.total(costs.transformer(cfg, tokens, llm_words, clip_words))
    step_flops = passes * dit.flops
    denoise = StageEstimate(
        parameters=dit.parameters,
        weight_bytes=dit.parameters * size["transformer"] - (_fp8_saving(preset, size["transformer"]) if fp8 else 0),
        activation_bytes=transformer_bytes(cfg, tokens, words, passes if batched_guidance else 1, size["transformer"]),
        flops=sampling.num_steps * step_flops,
    )
    full, rest = divmod(frames, LATENT_FRAMES_PER_CHUNK)
    chunks = [LATENT_FRAMES_PER_CHUNK] * full + [rest] * (rest > 0)
    parameters = costs.vae_parameters(preset.vae)
    decode = StageEstimate(
        parameters=parameters,
        weight_bytes=parameters * size["vae"],
        activation_bytes=vae_decoder_bytes(preset.vae, max(chunks), height, width, size["vae"]),
        flops=sum(costs.total(costs.vae_decoder(preset.vae, chunk, height, width)).flops for chunk in chunks),
    )
    return Estimate(stages={"text_encode": text, "denoise": denoise, "vae_decode": decode}, step_flops=step_flops)


@dataclass(frozen=True, kw_only=True)
class PublishedTime:
    """A time that others measured, and the speed that it implies by our count of operations.

    Attributes:
        source: Who measured it, on what.
        seconds: For `steps` denoising steps with guidance, on all GPUs together.
        peak_tflops: What the GPU's maker promises for dense bfloat16; None where the GPU is not known.
    """

    source: str
    frames: int
    height: int
    width: int
    gpus: int
    steps: int
    seconds: float
    peak_tflops: float | None = None

    @property
    def implied_tflops(self) -> float:
        """Sustained 10^12 operations per second and GPU."""
        released = step_video_t2v()
        sampling = released.sampling.changed(num_frames=self.frames, height=self.height, width=self.width)
        return self.steps * estimate(released, sampling).step_flops / self.seconds / self.gpus / 1e12

    @property
    def implied_utilisation(self) -> float | None:
        """Share of the promised speed that was reached."""
        return None if self.peak_tflops is None else self.implied_tflops / self.peak_tflops


_README = "Step-Video-T2V README, 4 GPUs of a type that is not stated, flash attention"
_XDIT = "xDiT performance report, H20, size not stated and taken to be the default one"
PUBLISHED = (
    PublishedTime(source=_README, frames=204, height=768, width=768, gpus=4, steps=50, seconds=860),
    PublishedTime(source=_README, frames=204, height=544, width=992, gpus=4, steps=50, seconds=743),
    PublishedTime(source=_README, frames=136, height=544, width=992, gpus=4, steps=50, seconds=408),
    PublishedTime(source=_XDIT, frames=204, height=544, width=992, gpus=1, steps=1, seconds=213.60, peak_tflops=148),
    PublishedTime(source=_XDIT, frames=204, height=544, width=992, gpus=8, steps=1, seconds=30.10, peak_tflops=148),
)


def _fp8_saving(preset: Preset, element: int) -> int:
    """Bytes less: one per weight instead of `element`, and four more per output channel."""
    width = preset.transformer.width
    weights, channels = (3 + 1 + 1 + 2 + 1 + 8) * width**2, (3 + 1 + 1 + 2 + 1 + 4 + 1) * width
    return preset.transformer.num_layers * (weights * (element - 1) - 4 * channels)
