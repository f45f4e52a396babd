"""Self-attention over all tokens of a video, and cross-attention from them to the text."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from reference_model.config import TransformerConfig
from reference_model.transformer.norm import RMSNorm
from reference_model.transformer.rope import Rope, rotate

QK_NORM_EPS = 1e-6

Heads = Float[Tensor, "batch heads tokens head_dim"]


def attend(q: Heads, k: Heads, v: Heads) -> Heads:
    """Softmax attention of every token to every token, scaled by `1 / sqrt(head_dim)`."""
    return F.scaled_dot_product_attention(q, k, v)


def split_heads(x: Float[Tensor, "batch tokens dim"], head_width: int) -> Heads:
    """(batch, tokens, heads * head_width) -> (batch, heads, tokens, head_width).

    The number of heads follows from the width, so a layer that holds only some of the heads works unchanged.
    """
    return x.unflatten(-1, (-1, head_width)).transpose(1, 2)


def merge_heads(x: Heads) -> Float[Tensor, "batch tokens dim"]:
    """Inverse of `split_heads`."""
    return x.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Full attention over space and time, with QK-norm and 3D RoPE.

    `wqkv` is fused per head: its rows are, head after head, [q | k | v].

    Attributes:
        attend: The attention proper, (q, k, v) -> output, each (batch, heads, tokens, head_dim). Sequence parallelism
            replaces it from outside.
    """

    def __init__(self, cfg: TransformerConfig) -> None:
        super().__init__()
        self.head_dim = cfg.attention_head_dim
        self.rope_split = cfg.rope_split
        self.wqkv = nn.Linear(cfg.width, 3 * cfg.width, bias=False)
        self.wo = nn.Linear(cfg.width, cfg.width, bias=False)
        self.q_norm = _qk_norm(cfg)
        self.k_norm = _qk_norm(cfg)
        self.attend: Callable[[Heads, Heads, Heads], Heads] = attend

    def forward(self, x: Float[Tensor, "batch tokens dim"], rope: Rope) -> Float[Tensor, "batch tokens dim"]:
        """Every token sees all tokens of its own sample."""
        q, k, v = split_heads(self.wqkv(x), 3 * self.head_dim).chunk(3, dim=-1)
        q = rotate(self.q_norm(q), rope, self.rope_split)
        k = rotate(self.k_norm(k), rope, self.rope_split)
        return self.wo(merge_heads(self.attend(q, k, v)))


class CrossAttention(nn.Module):
    """Attention from video tokens to text tokens, with QK-norm and without positions.

    `wkv` is fused per head: its rows are, head after head, [k | v].
    """

    def __init__(self, cfg: TransformerConfig) -> None:
        super().__init__()
        self.head_dim = cfg.attention_head_dim
        self.wq = nn.Linear(cfg.width, cfg.width, bias=False)
        self.wkv = nn.Linear(cfg.width, 2 * cfg.width, bias=False)
        self.wo = nn.Linear(cfg.width, cfg.width, bias=False)
        self.q_norm = _qk_norm(cfg)
        self.k_norm = _qk_norm(cfg)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        text: Float[Tensor, "batch words dim"],
        text_mask: Bool[Tensor, "batch words"] | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Every token sees the words that `text_mask` marks True; None means all."""
        q = self.q_norm(split_heads(self.wq(x), self.head_dim))
        k, v = split_heads(self.wkv(text), 2 * self.head_dim).chunk(2, dim=-1)
        mask = None if text_mask is None else text_mask[:, None, None, :]
        return self.wo(merge_heads(F.scaled_dot_product_attention(q, self.k_norm(k), v, attn_mask=mask)))


def _qk_norm(cfg: TransformerConfig) -> RMSNorm:
    return RMSNorm(cfg.attention_head_dim, QK_NORM_EPS, round_first=cfg.compat == "upstream")
