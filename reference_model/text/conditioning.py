"""What the text encoders hand to the transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class TextConditioning:
    """States of a batch of prompts.

    Attributes:
        llm: Step-LLM states (batch, words, width).
        clip: CLIP states (batch, words, width), None without a CLIP encoder.
        mask: 1 for words that may be attended to, over [CLIP ; Step-LLM]. All CLIP words count as valid, padding too.
    """

    llm: Float[Tensor, "batch llm_words llm_width"]
    clip: Float[Tensor, "batch clip_words clip_width"] | None
    mask: Int[Tensor, "batch words"]

    def __len__(self) -> int:
        return self.llm.shape[0]

    def rows(self, indices: list[int]) -> TextConditioning:
        """The prompts with the given indices, in that order; repeats are allowed."""
        return TextConditioning(
            llm=self.llm[indices], clip=None if self.clip is None else self.clip[indices], mask=self.mask[indices]
        )

    def joined(self, other: TextConditioning) -> TextConditioning:
        """This batch followed by another one from the same encoders."""
        clip = None if self.clip is None or other.clip is None else torch.cat([self.clip, other.clip])
        return TextConditioning(
            llm=torch.cat([self.llm, other.llm]), clip=clip, mask=torch.cat([self.mask, other.mask])
        )

    def to(self, device: torch.device, dtype: torch.dtype) -> TextConditioning:
        """Moved, with the states cast; the mask keeps its dtype."""
        clip = None if self.clip is None else self.clip.to(device, dtype)
        return TextConditioning(llm=self.llm.to(device, dtype), clip=clip, mask=self.mask.to(device))

    def as_arguments(self) -> dict[str, Any]:
        """Keyword arguments of `StepVideoTransformer.forward`."""
        return {
            "encoder_hidden_states": self.llm,
            "encoder_hidden_states_2": self.clip,
            "encoder_attention_mask": self.mask,
        }
