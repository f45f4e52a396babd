"""Both text encoders with their tokenizers, as one step from prompts to conditioning."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from reference_model.config import ClipConfig, StepLLMConfig
from reference_model.errors import ConfigError
from reference_model.text.conditioning import TextConditioning
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM
from reference_model.text.tokenizers import ClipTokenizer, StepTokenizer


class BilingualTextEncoder(nn.Module):
    """Step-LLM for detail and Hunyuan-CLIP for the link to images, side by side.

    Step-LLM states go out in the dtype of Step-LLM's weights and CLIP states are cast to it; CLIP itself may run in
    another one (released: bfloat16 and float32).

    Raises:
        ConfigError: If a tokenizer has more ids than its model has embeddings, or makes longer rows than it can read.
    """

    def __init__(
        self, llm: StepLLM, llm_tokenizer: StepTokenizer, clip: HunyuanClip, clip_tokenizer: ClipTokenizer
    ) -> None:
        super().__init__()
        check_vocabularies(llm.cfg, llm_tokenizer, clip.cfg, clip_tokenizer)
        self.llm = llm
        self.llm_tokenizer = llm_tokenizer
        self.clip = clip
        self.clip_tokenizer = clip_tokenizer

    def encode(self, prompts: Sequence[str]) -> TextConditioning:
        """One row per prompt, each computed by itself so that its numbers do not depend on its neighbours."""
        rows = [self._encode_one(prompt) for prompt in prompts]
        return TextConditioning(
            llm=torch.cat([row.llm for row in rows]),
            clip=torch.cat([row.clip for row in rows if row.clip is not None]),
            mask=torch.cat([row.mask for row in rows]),
        )

    def _encode_one(self, prompt: str) -> TextConditioning:
        llm_ids, llm_mask = self.llm_tokenizer([prompt])
        clip_ids, clip_mask = self.clip_tokenizer([prompt])
        llm_device = self.llm.tok_embeddings.word_embeddings.weight.device
        clip_device = next(self.clip.parameters()).device
        llm = self.llm(llm_ids.to(llm_device))
        clip = self.clip(clip_ids.to(clip_device), clip_mask.to(clip_device))
        # CLIP's padding is offered to the transformer as text, as in the released pipeline.
        mask = torch.cat([torch.ones_like(clip_mask), llm_mask], dim=1)
        return TextConditioning(llm=llm, clip=clip.to(llm), mask=mask.to(llm_device))


def check_vocabularies(
    llm: StepLLMConfig, llm_tokenizer: StepTokenizer, clip: ClipConfig, clip_tokenizer: ClipTokenizer
) -> None:
    """Stops with `ConfigError` where a tokenizer makes ids or positions that its model does not have."""
    _check_vocabulary("Step-LLM", llm_tokenizer.vocab_size, llm.padded_vocab_size)
    _check_vocabulary("CLIP", clip_tokenizer.vocab_size, clip.vocab_size)
    if clip_tokenizer.length > clip.max_position_embeddings:
        raise ConfigError(
            f"the CLIP tokenizer pads to {clip_tokenizer.length} words, "
            f"but its model has only {clip.max_position_embeddings} positions",
            hint="lower max_prompt_tokens in the CLIP config",
        )


def _check_vocabulary(name: str, ids: int, embeddings: int) -> None:
    if ids > embeddings:
        raise ConfigError(
            f"the {name} tokenizer has {ids} ids, but its model embeds only {embeddings}",
            hint="tokenizer and weights belong to different models",
        )
