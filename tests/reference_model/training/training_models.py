"""Small versions of the real models as training tasks, for one process and for many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reference_model.config import TransformerConfig, VAEConfig
from reference_model.training.data import TrainingClip, step_generator
from reference_model.training.vae import VAERecipe, VAETask
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE

VAE = VAEConfig(enc_ch=2, enc_ch_mult=(1, 2, 4, 4), dec_ch=2, dec_ch_mult=(1, 2, 4, 4), z_channels=2, groups=1,
                num_res_blocks=1)  # fmt: skip


class WavesClips:
    """Coloured waves that travel on one half of the picture; clip i has its own direction."""

    def __init__(self, size: int = 64, *, frames: int = 17, side: int = 16) -> None:
        self.size, self.frames, self.side = size, frames, side

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> TrainingClip:
        generator = step_generator(3, index)
        direction, phase = torch.randn(2, generator=generator), torch.rand(3, 1, 1, generator=generator)
        y, x = torch.meshgrid(*[torch.linspace(0, 2, self.side)] * 2, indexing="ij")
        wave = (direction[0] * x + direction[1] * y)[None, None]
        time = torch.arange(self.frames)[:, None, None, None] / 17
        frames = ((torch.sin(3 * (wave + phase + time * (x > 1))) + 1) * 127.5).round().to(torch.uint8)
        return TrainingClip(frames=frames)


def vae_task(recipe: VAERecipe, **options: Any) -> VAETask:
    torch.manual_seed(4)
    return VAETask(VideoVAE(VAE), recipe, WavesClips(), WavesClips(4), **options)


class VelocityTask:
    """A transformer that learns the velocity of noise towards one pattern; some of its weights are frozen."""

    def __init__(self, *, frozen: str = "caption") -> None:
        torch.manual_seed(5)
        shape = TransformerConfig(
            num_attention_heads=2, attention_head_dim=16, num_layers=2, in_channels=2, caption_channels=(6, 4)
        )
        self.model = StepVideoTransformer(shape)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(frozen not in name)

    def batch(self, step: int, samples: Sequence[int]) -> Tensor:
        return torch.stack([torch.randn(3, 2, 4, 4, generator=step_generator(9, step, sample)) for sample in samples])

    def loss(
        self, model: nn.Module, batch: Tensor, step: int, samples: Sequence[int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        words = torch.ones(len(batch), 5, 6), torch.ones(len(batch), 3, 4)
        times = torch.tensor([(sample + 0.5) / 4 for sample in samples])
        pattern = torch.linspace(-1, 1, 4).expand_as(batch)
        noisy = batch + times.view(-1, 1, 1, 1, 1) * (pattern - batch)
        error = (model(noisy, times, *words) - (pattern - batch)).square().flatten(1).mean(dim=1)
        return error.mean(), {}

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        return {"loss": self.loss(self.model, self.batch(0, [0, 1]), 0, [0, 1])[0].item()}
