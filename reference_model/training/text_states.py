"""Texts as the transformer reads them, while training: in batches, trained along or looked up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reference_model.text.conditioning import TextConditioning
from reference_model.text.encoder import BilingualTextEncoder

Latents = Float[Tensor, "batch latent_time latent_channels latent_height latent_width"]


def encode_batch(encoder: BilingualTextEncoder, prompts: Sequence[str]) -> TextConditioning:
    """All prompts in one pass, with gradients where the encoders are trained.

    Step-LLM's padding is cut to the longest prompt: it is masked anyway, and causality keeps the words before it the
    same. The padding of CLIP stays, because the transformer reads it.
    """
    llm_ids, llm_mask = encoder.llm_tokenizer(prompts)
    clip_ids, clip_mask = encoder.clip_tokenizer(prompts)
    longest = int(llm_mask.sum(dim=1).max())
    device = next(encoder.parameters()).device
    llm = encoder.llm(llm_ids[:, :longest].to(device))
    clip = encoder.clip(clip_ids.to(device), clip_mask.to(device))
    mask = torch.cat([torch.ones_like(clip_mask), llm_mask[:, :longest]], dim=1).to(device)
    return TextConditioning(llm=llm, clip=clip.to(llm), mask=mask)


class CachedTexts:
    """States of prompts from frozen encoders, each prompt encoded once and kept in main memory.

    Args:
        encoder: Not trained.
        limit_bytes: Memory that the states may take; beyond it the oldest ones go.
    """

    def __init__(self, encoder: BilingualTextEncoder, limit_bytes: int = 4 * 2**30) -> None:
        self.encoder = encoder
        self.limit_bytes = limit_bytes
        self._rows: dict[str, TextConditioning] = {}
        self._bytes = 0

    def __call__(self, prompts: Sequence[str]) -> TextConditioning:
        """One row per prompt, on the CPU, Step-LLM's padding cut to the longest prompt as in `encode_batch`."""
        for prompt in dict.fromkeys(prompts):
            if prompt not in self._rows:
                self._rows[prompt] = self._encode(prompt)
                self._bytes += _size(self._rows[prompt])
        rows = [self._rows[prompt] for prompt in prompts]
        while self._bytes > self.limit_bytes:
            self._bytes -= _size(self._rows.pop(next(iter(self._rows))))
        return _batch(rows)

    @torch.no_grad()
    def _encode(self, prompt: str) -> TextConditioning:
        # Outside of autocast, so that states do not depend on who asked first: training or evaluation.
        with torch.autocast(next(self.encoder.parameters()).device.type, enabled=False):
            text = self.encoder.encode([prompt])
        return text.to(torch.device("cpu"), text.llm.dtype)


class PromptedTransformer(nn.Module):
    """Transformer and text encoders as one module, so that both can be trained, saved and wrapped together.

    Args:
        transformer: A `StepVideoTransformer`.
        text_encoder: Trained along where `train_text`, otherwise frozen and its states cached.
        train_text: Whether the text encoders are trained.

    Attributes:
        states: Of the prompts seen so far; None where the text encoders are trained.
    """

    def __init__(self, transformer: nn.Module, text_encoder: BilingualTextEncoder, *, train_text: bool) -> None:
        super().__init__()
        self.transformer = transformer
        self.text_encoder = text_encoder
        text_encoder.requires_grad_(train_text)
        self.states = None if train_text else CachedTexts(text_encoder)

    def forward(
        self,
        latents: Latents,
        times: Float[Tensor, " batch"],
        prompts: Sequence[str],
        fps: Float[Tensor, " batch"] | None = None,
    ) -> Latents:
        """Velocity of each latent at its time, given its prompt."""
        text = encode_batch(self.text_encoder, prompts) if self.states is None else self.states(prompts)
        text = text.to(latents.device, text.llm.dtype)
        return self.transformer(latents, times, **text.as_arguments(), fps=fps)


def _batch(rows: Sequence[TextConditioning]) -> TextConditioning:
    clips = [row.clip for row in rows if row.clip is not None]
    clip_words = clips[0].shape[1] if clips else 0
    longest = max(int(row.mask[:, clip_words:].sum()) for row in rows)
    return TextConditioning(
        llm=torch.cat([row.llm[:, :longest] for row in rows]),
        clip=torch.cat(clips) if clips else None,
        mask=torch.cat([row.mask[:, : clip_words + longest] for row in rows]),
    )


def _size(text: TextConditioning) -> int:
    return sum(part.nbytes for part in (text.llm, text.clip, text.mask) if part is not None)
