"""What the tests of Video-DPO share: text encoders of a few numbers, a small model, made-up preferences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from reference_model.config import TransformerConfig
from reference_model.text.conditioning import TextConditioning
from reference_model.training.preference_latents import LatentPair
from reference_model.training.text_states import PromptedTransformer
from reference_model.transformer.model import StepVideoTransformer

SHAPE = (3, 2, 2, 2)
PROMPTS = ("a red ball", "a blue box", "一个红球", "a green star")


class LetterStates(nn.Module):
    """Stands in for both text encoders: states that depend on the prompt alone; counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.waves = nn.Parameter(torch.arange(1.0, 13.0))
        self.asked = 0

    def encode(self, prompts: Sequence[str]) -> TextConditioning:
        self.asked += len(prompts)
        letters = torch.tensor([[float(ord(letter) % 7) for letter in prompt[:6].ljust(6)] for prompt in prompts])
        states = (letters[:, :, None] * self.waves).sin()
        mask = torch.ones(len(prompts), 9, dtype=torch.long)
        return TextConditioning(llm=states, clip=states[:, :3, :8], mask=mask)


def toy_model(seed: int = 0, **changes: Any) -> PromptedTransformer:
    """A transformer of two narrow blocks with random weights, and frozen texts."""
    base = {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "num_layers": 2,
        "in_channels": SHAPE[1],
        "caption_channels": (12, 8),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = StepVideoTransformer(TransformerConfig(**{**base, **changes}))
    return PromptedTransformer(transformer, LetterStates(), train_text=False)  # type: ignore[arg-type]


def toy_pairs(count: int, seed: int = 0, share: float = 1.0) -> list[LatentPair]:
    """Winners have a raised first half of the picture, losers a raised second half."""
    generator = torch.Generator().manual_seed(seed)
    pattern = torch.tensor([1.0, -1.0]).expand(SHAPE)
    pairs = []
    for number in range(count):
        winner, loser = (sign * pattern + 0.5 * torch.randn(SHAPE, generator=generator) for sign in (1.0, -1.0))
        pairs.append(LatentPair(prompt=PROMPTS[number % 4], winner=winner, loser=loser, share=share))
    return pairs


def scrambled_adapters(model: nn.Module, scale: float = 0.1, seed: int = 5) -> None:
    """Gives every adapter random values, so that none is without effect."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if ".lora_" in name:
                value.copy_(scale * torch.randn(value.shape, generator=generator))


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tensors.items()}
