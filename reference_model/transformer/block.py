"""One transformer block: self-attention, cross-attention, feed-forward; the first and last modulated by time."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reference_model.config import TransformerConfig
from reference_model.transformer.attention import CrossAttention, SelfAttention
from reference_model.transformer.rope import Rope

BLOCK_NORM_EPS = 1e-5


class TransformerBlock(nn.Module):
    """The repeated unit of the transformer.

    adaLN-single: shift, scale and gate of both modulated branches are a table of this block plus one vector that all
    blocks share (Chen et al. 2023, PixArt-alpha). The cross-attention branch reads the bare residual stream.
    """

    def __init__(self, cfg: TransformerConfig) -> None:
        super().__init__()
        self.scale_shift_table = nn.Parameter(nn.init.normal_(torch.empty(6, cfg.width), std=cfg.width**-0.5))
        self.norm1 = nn.LayerNorm(cfg.width, eps=BLOCK_NORM_EPS)
        self.attn1 = SelfAttention(cfg)
        self.attn2 = CrossAttention(cfg)
        self.norm2 = nn.LayerNorm(cfg.width, eps=BLOCK_NORM_EPS)
        self.ff = FeedForward(cfg.width)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        text: Float[Tensor, "batch words dim"],
        modulation: Float[Tensor, "batch 6 dim"],
        rope: Rope,
        text_mask: Bool[Tensor, "batch words"] | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Updates the residual stream; `modulation` is the shared part of shift, scale and gate."""
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.scale_shift_table + modulation).chunk(6, dim=1)
        x = x + gate1 * self.attn1(self.norm1(x) * (1 + scale1) + shift1, rope)
        x = x + self.attn2(x, text, text_mask)
        return x + gate2 * self.ff(self.norm2(x) * (1 + scale2) + shift2)


class FeedForward(nn.Module):
    """Linear to four times the width, GELU (tanh form), linear back; no biases."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            GeluProjection(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width, bias=False)
        )

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Acts on every token by itself."""
        return self.net(x)


class GeluProjection(nn.Module):
    """Linear without bias, then GELU in its tanh form."""

    def __init__(self, width: int, inner_width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, inner_width, bias=False)

    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch inner"]:
        """Maps the last dimension."""
        return nn.functional.gelu(self.proj(x), approximate="tanh")
