"""What the tests of flow matching and distillation share: a small text encoder, and models of a few numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reference_model.config import ClipConfig, StepLLMConfig, TransformerConfig
from reference_model.text.encoder import BilingualTextEncoder
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM
from reference_model.text.tokenizers import ClipTokenizer, StepTokenizer
from reference_model.training.flow import initialise_transformer
from reference_model.training.latents import LatentStore
from reference_model.training.text_states import PromptedTransformer
from reference_model.training.tokenizers import train_clip_tokenizer, train_step_tokenizer
from reference_model.transformer.model import StepVideoTransformer

TEXTS = ["a red circle", "a large blue square moves to the left", "一个红色圆形", "一个大的蓝色正方形向左移动"]


def small_text_encoder(folder: Path) -> BilingualTextEncoder:
    """Both text encoders with random weights, of widths 32 and 16; tokenizers of 24 and 16 ids per prompt."""
    if not folder.is_dir():
        train_step_tokenizer(TEXTS * 3, folder / "step.model", 330)
        train_clip_tokenizer(TEXTS * 3, folder / "vocab.txt", 100)
    step, clip = StepTokenizer(folder / "step.model", 24), ClipTokenizer(folder / "vocab.txt", 16)
    llm_shape: dict[str, Any] = {
        "hidden_size": 32,
        "num_layers": 2,
        "num_attention_heads": 4,
        "num_attention_groups": 2,
        "ffn_hidden_size": 64,
    }
    clip_shape: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 16,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BilingualTextEncoder(
            StepLLM(StepLLMConfig(padded_vocab_size=step.vocab_size, **llm_shape)),
            step,
            HunyuanClip(ClipConfig(vocab_size=clip.vocab_size, **clip_shape)),
            clip,
        )


def small_transformer(channels: int = 2, caption_channels: tuple[int, int] = (32, 16), **changes: Any) -> Any:
    """A transformer of two narrow blocks as it is before training."""
    shape: dict[str, Any] = {"num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 2, **changes}
    transformer = StepVideoTransformer(
        TransformerConfig(in_channels=channels, caption_channels=caption_channels, **shape)
    )
    initialise_transformer(transformer, torch.Generator().manual_seed(0))
    return transformer


def prompted(encoder: BilingualTextEncoder, *, train_text: bool, **changes: Any) -> PromptedTransformer:
    return PromptedTransformer(small_transformer(**changes), encoder, train_text=train_text)


def scrambled(model: nn.Module, seed: int = 3) -> Any:
    """The model with random values in place of all zeros and ones, so that no term is hidden."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
    return model


class FieldModel(nn.Module):
    """Stands in for a prompted transformer: any function of (noisy latents, times, prompts, fps), with one weight."""

    def __init__(self, field: Callable[..., Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.field = field

    def forward(self, *inputs: Any) -> Tensor:
        return self.weight * self.field(*inputs)


def store_of(*latents: Tensor, captions: list[list[str]] | None = None, fps: list[float] | None = None) -> LatentStore:
    return LatentStore(list(latents), captions or [[f"clip {number}"] for number in range(len(latents))], fps)
