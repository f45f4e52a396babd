"""Configurations that belong together: the two released models, and a tiny one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reference_model.config import ClipConfig, SamplingConfig, StepLLMConfig, TransformerConfig, VAEConfig
from reference_model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Configurations that fit together and make up one model."""

    name: str
    transformer: TransformerConfig
    vae: VAEConfig
    llm: StepLLMConfig
    clip: ClipConfig
    sampling: SamplingConfig

    def __post_init__(self) -> None:
        pairs = {
            "transformer.in_channels and vae.z_channels": (self.transformer.in_channels, self.vae.z_channels),
            "transformer.out_channels and vae.z_channels": (self.transformer.out_channels, self.vae.z_channels),
            "transformer.caption_channels and the widths of llm and clip": (
                self.transformer.caption_channels,
                (self.llm.hidden_size, self.clip.hidden_size),
            ),
        }
        for what, (left, right) in pairs.items():
            if left != right:
                raise ConfigError(f"preset {self.name!r}: {what} must be equal, got {left} and {right}")


def step_video_t2v() -> Preset:
    """The released 30B model: 204 frames of 544x992 pixels in 50 steps."""
    return Preset(
        name="step-video-t2v",
        transformer=TransformerConfig(),
        vae=VAEConfig(),
        llm=StepLLMConfig(),
        clip=ClipConfig(),
        sampling=SamplingConfig(),
    )


def step_video_t2v_turbo() -> Preset:
    """The step-distilled release: same modules, other weights, fewer steps."""
    base = step_video_t2v()
    sampling = base.sampling.changed(num_steps=15, guidance_scale=5.0, time_shift=17.0)
    return replace(base, name="step-video-t2v-turbo", sampling=sampling)


def tiny() -> Preset:
    """The same code at a size that a laptop's CPU samples in seconds: 17 frames of 64x64 pixels."""
    return Preset(
        name="tiny",
        transformer=TransformerConfig(
            num_attention_heads=4, attention_head_dim=32, num_layers=6, in_channels=16, caption_channels=(64, 64)
        ),
        vae=VAEConfig(
            enc_ch=8,
            enc_ch_mult=(1, 2, 4, 8),
            dec_ch=16,
            dec_ch_mult=(1, 2, 4, 4),
            z_channels=16,
            groups=1,
            num_res_blocks=1,
        ),
        llm=StepLLMConfig(
            hidden_size=64,
            num_layers=2,
            num_attention_heads=4,
            num_attention_groups=2,
            ffn_hidden_size=256,
            padded_vocab_size=640,
            max_prompt_tokens=64,
        ),
        clip=ClipConfig(
            vocab_size=320,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=64,
            max_prompt_tokens=32,
        ),
        sampling=SamplingConfig(
            num_steps=20,
            guidance_scale=3.0,
            time_shift=3.0,
            num_frames=17,
            height=64,
            width=64,
            fps=8.0,
            positive_magic="",
            negative_magic="",
            dtype="float32",
        ),
    )
