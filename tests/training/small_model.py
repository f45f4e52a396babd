"""A model folder, clips and preferences small enough that every stage trains in seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reference_model.checkpoint.save import save_pipeline
from reference_model.config import ClipConfig, SamplingConfig, StepLLMConfig, TransformerConfig, VAEConfig
from reference_model.presets import Preset
from reference_model.training.data import step_generator
from reference_model.training.linear_start import random_start
from reference_model.vae.model import VideoVAE
from stepbench.training.models import new_start
from stepbench.training.moving_shapes import MovingShapesClips
from stepbench.video import write_master

VAE = VAEConfig(enc_ch=4, enc_ch_mult=(1, 2, 2, 2), dec_ch=4, dec_ch_mult=(1, 1, 2, 2), z_channels=2, groups=1)
SMALL = Preset(
    name="small",
    transformer=TransformerConfig(
        num_attention_heads=2, attention_head_dim=16, num_layers=1, in_channels=2, caption_channels=(32, 16)
    ),
    vae=VAE,
    llm=StepLLMConfig(
        hidden_size=32,
        num_layers=1,
        num_attention_heads=2,
        num_attention_groups=1,
        ffn_hidden_size=64,
        padded_vocab_size=600,
        max_prompt_tokens=40,
    ),
    clip=ClipConfig(
        vocab_size=400,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        max_prompt_tokens=40,
    ),
    sampling=SamplingConfig(
        num_steps=4,
        guidance_scale=2.0,
        time_shift=1.0,
        num_frames=17,
        height=32,
        width=32,
        fps=8.0,
        positive_magic="",
        negative_magic="",
    ),
)


def write_model(folder: Path) -> Path:
    """A whole model with random weights in the released layout."""
    world = MovingShapesClips("train")
    captions = [text for index in range(40) for text in world.captions(index)]
    vae = VideoVAE(VAE)
    random_start(vae, step_generator(0))
    start = new_start(SMALL, vae, captions, folder.with_name(f"{folder.name}-tokenizers"), seed=0)
    # A new transformer predicts zero whatever its blocks say; nothing would reach these in a few steps.
    start.transformer.proj_out.weight.data.normal_(0, 0.2, generator=step_generator(1))
    save_pipeline(start.pipeline(), folder)
    return folder


def noise_clip(seed: int, frames: int = 17, height: int = 32, width: int = 32) -> np.ndarray:
    """uint8 noise, (time, 3, height, width)."""
    return np.random.default_rng(seed).integers(0, 256, (frames, 3, height, width), dtype=np.uint8)


def write_clips(folder: Path, clips: Mapping[str, np.ndarray], *rows: dict[str, Any]) -> Path:
    """Lossless files, and `captions.jsonl` with a row per clip, or with the rows given."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frames in clips.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_master(folder / name, frames, 8)
    write_rows(folder, *(rows or [{"file": name, "caption": f"about {name}"} for name in clips]))
    return folder


def write_rows(folder: Path, *rows: dict[str, Any] | str) -> None:
    """`captions.jsonl`; a text stands for a line as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "captions.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
