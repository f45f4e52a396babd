"""Step-LLM: a causal language model whose last hidden states are the text that the transformer reads."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from reference_model.config import StepLLMConfig
from reference_model.text.alibi import causal_bias
from reference_model.transformer.norm import RMSNorm

States = Float[Tensor, "batch words width"]
Bias = Float[Tensor, "heads words words"]


class StepLLM(nn.Module):
    """Embedding and pre-norm blocks; neither a final norm nor a head. Names and shapes are those of the released files.

    Positions come from the attention bias alone (`StepLLMConfig.alibi`). The released model runs its attention in a
    closed library; `sqrt` is what every open implementation of the same model family computes in its place.
    """

    def __init__(self, cfg: StepLLMConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.tok_embeddings = TokenEmbedding(cfg)
        self.transformer = BlockStack(cfg)

    def forward(self, input_ids: Int[Tensor, "batch words"]) -> States:
        """States of all positions. There is no padding mask: causality keeps a padded tail from its head."""
        return self.transformer(self.tok_embeddings(input_ids))


class TokenEmbedding(nn.Module):
    """One learned vector per token id."""

    def __init__(self, cfg: StepLLMConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(cfg.padded_vocab_size, cfg.hidden_size)

    def forward(self, input_ids: Int[Tensor, "batch words"]) -> States:
        """Looks up every token."""
        return self.word_embeddings(input_ids)


class BlockStack(nn.Module):
    """All blocks, with the attention bias computed once for them."""

    def __init__(self, cfg: StepLLMConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.layers = nn.ModuleList(LLMBlock(cfg) for _ in range(cfg.num_layers))

    def forward(self, x: States) -> States:
        """Runs the blocks in order."""
        bias = causal_bias(self.cfg.alibi, self.cfg.num_attention_heads, x.shape[1], x.device)
        for layer in self.layers:
            x = layer(x, bias)
        return x


class LLMBlock(nn.Module):
    """`x + attention(norm(x))`, then `x + feed_forward(norm(x))`."""

    def __init__(self, cfg: StepLLMConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(cfg.hidden_size, cfg.layernorm_epsilon)
        self.attention = GroupedAttention(cfg)
        self.ffn_norm = RMSNorm(cfg.hidden_size, cfg.layernorm_epsilon)
        self.feed_forward = SwiGLU(cfg)

    def forward(self, x: States, bias: Bias) -> States:
        """Updates the residual stream."""
        x = x + self.attention(self.attention_norm(x), bias)
        return x + self.feed_forward(self.ffn_norm(x))


class GroupedAttention(nn.Module):
    """Causal attention in which consecutive query heads share keys and values.

    The rows of `wqkv` are all query heads, then, group after group, [k | v].
    """

    def __init__(self, cfg: StepLLMConfig) -> None:
        super().__init__()
        self.head_dim = cfg.head_dim
        self.query_width = cfg.num_attention_heads * cfg.head_dim
        self.heads_per_group = cfg.num_attention_heads // cfg.num_attention_groups
        group_width = 2 * cfg.num_attention_groups * cfg.head_dim
        self.wqkv = nn.Linear(cfg.hidden_size, self.query_width + group_width, bias=False)
        self.wo = nn.Linear(self.query_width, cfg.hidden_size, bias=False)

    def forward(self, x: States, bias: Bias) -> States:
        """Scores, bias and softmax are float32 whatever the dtype of the weights: prompts are short."""
        fused = self.wqkv(x)
        q = fused[..., : self.query_width].unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        kv = fused[..., self.query_width :].unflatten(-1, (-1, 2 * self.head_dim)).transpose(1, 2)
        k, v = kv.repeat_interleave(self.heads_per_group, dim=1).chunk(2, dim=-1)
        seen = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=bias[None])
        return self.wo(seen.to(x.dtype).transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    """`w2(silu(a) * b)`, where a and b are the two halves of `w1(x)`."""

    def __init__(self, cfg: StepLLMConfig) -> None:
        super().__init__()
        self.w1 = nn.Linear(cfg.hidden_size, 2 * cfg.ffn_width, bias=False)
        self.w2 = nn.Linear(cfg.ffn_width, cfg.hidden_size, bias=False)

    def forward(self, x: States) -> States:
        """Acts on every position by itself."""
        gate, value = self.w1(x).chunk(2, dim=-1)
        return self.w2(F.silu(gate) * value)
