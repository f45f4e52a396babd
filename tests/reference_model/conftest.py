"""Golden tensors, small configurations and models with reproducible random weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from reference_model.config import SamplingConfig, TransformerConfig, VAEConfig
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.text.conditioning import TextConditioning
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE

GOLDEN = Path(__file__).parents[1] / "golden" / "reference_model"


@dataclass(frozen=True)
class Golden:
    """One golden file: its description, and its tensors by the part of the name before the first dot."""

    info: dict[str, Any]
    tensors: dict[str, Tensor]

    def part(self, prefix: str) -> dict[str, Tensor]:
        return {name[len(prefix) :]: value for name, value in self.tensors.items() if name.startswith(prefix)}

    @property
    def weights(self) -> dict[str, Tensor]:
        return self.part("weights.")

    @property
    def inputs(self) -> dict[str, Tensor]:
        return self.part("inputs.")

    @property
    def outputs(self) -> dict[str, Tensor]:
        return self.part("outputs.")


@pytest.fixture(scope="session")
def released_folder(tmp_path_factory) -> Path:
    """A small model in the released layout; not to be changed."""
    from released_layout import build_released_folder

    return build_released_folder(tmp_path_factory.mktemp("models") / "stepvideo-t2v")


@pytest.fixture
def golden():
    def load(name: str) -> Golden:
        info = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
        tensors = GOLDEN / f"{name}.safetensors"
        return Golden(info, load_file(tensors) if tensors.exists() else {})

    return load


@pytest.fixture
def distance():
    """Relative L2 distance of a tensor from its golden value."""

    def relative(actual: Tensor, expected: Tensor) -> float:
        assert actual.shape == expected.shape
        return float((actual - expected).norm() / expected.norm())

    return relative


@pytest.fixture
def draw():
    """Standard normal tensors from a seed."""

    def normal(*shape: int, seed: int = 0) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    return normal


def randomised(model: nn.Module, seed: int = 0, scale: float = 1.0) -> nn.Module:
    """Draws every weight anew, so that no term of a model is hidden by a zero or a one."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        is_norm = "norm" in name and parameter.ndim == 1
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
        spread = 0.1 if parameter.ndim == 1 else fan_in**-0.5
        with torch.no_grad():
            parameter.copy_(scale * spread * noise + (1.0 if is_norm and name.endswith("weight") else 0.0))
    return model.eval()


@pytest.fixture
def small_transformer():
    """A transformer of two blocks, a head of 16 channels each; keyword arguments change its configuration."""

    def build(**changes: Any) -> StepVideoTransformer:
        base = {
            "num_attention_heads": 2,
            "attention_head_dim": 16,
            "num_layers": 2,
            "in_channels": 2,
            "caption_channels": (12, 8),
        }
        return randomised(StepVideoTransformer(TransformerConfig(**{**base, **changes})), seed=1)

    return build


@pytest.fixture
def small_vae():
    """A VAE with two latent channels; keyword arguments change its configuration."""

    def build(**changes: Any) -> VideoVAE:
        base = {"enc_ch": 2, "enc_ch_mult": (2, 4, 8, 8), "dec_ch": 2, "dec_ch_mult": (1, 2, 4, 4)}
        return randomised(VideoVAE(VAEConfig(**{**base, "z_channels": 2, "groups": 2, **changes})), seed=2)

    return build


class LetterEncoder:
    """Stands in for both text encoders: states that depend on the prompt alone, with as many words as letters."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def encode(self, prompts: list[str]) -> TextConditioning:
        self.asked.append(list(prompts))
        rows = [[float(ord(letter) % 7) for letter in prompt[:6].ljust(6)] for prompt in prompts]
        letters = torch.tensor(rows)[:, :, None]
        mask = torch.ones(len(prompts), 9, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            mask[row, 3 + max(len(prompt[:6]), 2) :] = 0
        waves = torch.arange(1.0, 13.0)
        return TextConditioning(llm=(letters * waves).sin(), clip=(letters[:, :3] * waves[:8]).cos(), mask=mask)


@pytest.fixture
def small_pipeline(small_transformer, small_vae):
    """A whole pipeline with stand-in text encoders: 17 frames of 32x16 pixels in two steps."""
    settings = SamplingConfig(
        num_steps=2, guidance_scale=3.0, time_shift=2.0, num_frames=17, height=32, width=16, positive_magic="+"
    )
    return TextToVideoPipeline(small_transformer(), small_vae(), LetterEncoder(), settings)
