"""The text tower of Hunyuan-CLIP: a BERT whose parameters stand under `bert.`."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from reference_model.config import ClipConfig
from reference_model.text.bert import Bert


class HunyuanClip(nn.Module):
    """A plain BERT without its pooler; the text is the last hidden state of every position.

    Dropout is off in every mode: the tower is only read from.
    """

    def __init__(self, cfg: ClipConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.bert = Bert(cfg)

    def forward(
        self, input_ids: Int[Tensor, "batch words"], attention_mask: Int[Tensor, "batch words"]
    ) -> Float[Tensor, "batch words width"]:
        """Last hidden states; words with mask 0 are not attended to inside BERT."""
        return self.bert(input_ids, attention_mask)
