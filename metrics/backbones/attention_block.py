"""A pre-norm transformer block (Vaswani et al., 2017; Xiong et al., 2020)."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

Sequences = Float[Tensor, "batch tokens channels"]


class AttentionBlock(nn.Module):
    """Attention among tokens, then two layers on each of them; both are added to what comes in.

    Args:
        channels: Of every token; a multiple of `heads`.
        heads: Of the attention.
        expansion: Inner width of the two layers, as a multiple of `channels`.
    """

    def __init__(self, channels: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.attention_out = nn.Linear(channels, channels)
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp_in = nn.Linear(channels, expansion * channels)
        self.mlp_out = nn.Linear(expansion * channels, channels)

    def forward(self, tokens: Sequences, seen: Bool[Tensor, "batch tokens"] | None = None) -> Sequences:
        """Tokens of the same shape; those that `seen` marks as False are not looked at."""
        parts = self.query_key_value(self.attention_norm(tokens)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        # Written out, because the fused form's backward pass takes several times as long on CPUs at this size.
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        if seen is not None:
            scores = scores.masked_fill(~seen[:, None, None, :], float("-inf"))
        looked_up = scores.softmax(dim=-1).to(value.dtype) @ value
        tokens = tokens + self.attention_out(looked_up.transpose(1, 2).flatten(2))
        return tokens + self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(tokens))))
