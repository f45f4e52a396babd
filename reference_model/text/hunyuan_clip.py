"""The text tower of Hunyuan-CLIP, through the BERT of `transformers`."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import BertConfig, BertModel
from transformers.activations import ACT2FN

from reference_model.config import ClipConfig
from reference_model.errors import ConfigError


class HunyuanClip(nn.Module):
    """A plain BERT without its pooler; the text is the last hidden state of every position.

    Parameters stand under `bert.`, as in the released file. Dropout is off in every mode: the tower is only read from.

    Raises:
        ConfigError: For an activation that `transformers` does not know.
    """

    def __init__(self, cfg: ClipConfig) -> None:
        super().__init__()
        self.cfg = cfg
        if cfg.hidden_act not in ACT2FN:
            raise ConfigError(f"hidden_act of CLIP must be an activation of transformers, got {cfg.hidden_act!r}")
        bert = BertConfig(
            vocab_size=cfg.vocab_size,
            hidden_size=cfg.hidden_size,
            num_hidden_layers=cfg.num_hidden_layers,
            num_attention_heads=cfg.num_attention_heads,
            intermediate_size=cfg.intermediate_size,
            max_position_embeddings=cfg.max_position_embeddings,
            type_vocab_size=cfg.type_vocab_size,
            hidden_act=cfg.hidden_act,
            layer_norm_eps=cfg.layer_norm_eps,
            pad_token_id=cfg.pad_token_id,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.bert = BertModel(bert, add_pooling_layer=False)
        # These buffers are no weights, so no file could fill them after construction on the meta device. `forward`
        # gives both ids explicitly instead.
        del self.bert.embeddings.position_ids, self.bert.embeddings.token_type_ids

    def forward(
        self, input_ids: Int[Tensor, "batch words"], attention_mask: Int[Tensor, "batch words"]
    ) -> Float[Tensor, "batch words width"]:
        """Last hidden states; words with mask 0 are not attended to inside BERT."""
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        return self.bert(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=positions,
            token_type_ids=torch.zeros_like(input_ids),
        ).last_hidden_state
