"""The text tower of the `shapes` backbone."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from metrics.backbones.attention_block import AttentionBlock
from metrics.backbones.shapes_tokenizer import PADDING


class TextTower(nn.Module):
    """Numbers of pieces to a point in the space shared with clips.

    Args:
        pieces: Size of the vocabulary, reserved numbers included.
        length: Most pieces of a text.
        embedding: Dimensions of the shared space.
        blocks: Transformer blocks.
        channels: Of every token.
    """

    def __init__(self, pieces: int, length: int, embedding: int, blocks: int, channels: int = 128) -> None:
        super().__init__()
        self.pieces = nn.Embedding(pieces, channels)
        self.places = nn.Parameter(torch.randn(length, channels) * 0.02)
        self.blocks = nn.ModuleList(AttentionBlock(channels, heads=4, expansion=2) for _ in range(blocks))
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, embedding, bias=False)
        nn.init.normal_(self.pieces.weight, std=0.5)

    def forward(self, ids: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch embedding"]:
        """Mean over the pieces of each text, projected; padding is neither looked at nor counted."""
        there = ids != PADDING
        tokens = self.pieces(ids) + self.places[: ids.shape[1]]
        for block in self.blocks:
            tokens = block(tokens, there)
        weight = there[..., None].to(tokens.dtype)
        mean = (self.norm(tokens) * weight).sum(dim=1) / weight.sum(dim=1)
        return self.project(mean)
