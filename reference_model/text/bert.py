"""BERT without pooler and heads (Devlin, Chang, Lee and Toutanova, 2018); names are those of the released files."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from reference_model.config import ClipConfig

States = Float[Tensor, "batch words width"]
Attended = Bool[Tensor, "batch 1 1 words"]

_INITIAL_DEVIATION = 0.02
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
}


class Bert(nn.Module):
    """Embeddings and post-norm blocks. There is no dropout in any mode, and every text is of token type 0.

    The `transformers` package has this network too; importing it takes longer than all else that a clip of the small
    model needs.
    """

    def __init__(self, cfg: ClipConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(cfg)
        self.encoder = Blocks(cfg)
        self.apply(_initialise)

    def forward(self, input_ids: Int[Tensor, "batch words"], attention_mask: Int[Tensor, "batch words"]) -> States:
        """Last hidden states.

        Args:
            input_ids: Token ids.
            attention_mask: 0 where no word attends to; the states there are computed all the same.
        """
        return self.encoder(self.embeddings(input_ids), attention_mask[:, None, None] != 0)


class Embeddings(nn.Module):
    """Token, place and token type, each as a learned vector."""

    def __init__(self, cfg: ClipConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(cfg.vocab_size, cfg.hidden_size, padding_idx=cfg.pad_token_id)
        self.position_embeddings = nn.Embedding(cfg.max_position_embeddings, cfg.hidden_size)
        self.token_type_embeddings = nn.Embedding(cfg.type_vocab_size, cfg.hidden_size)
        self.LayerNorm = nn.LayerNorm(cfg.hidden_size, eps=cfg.layer_norm_eps)

    def forward(self, input_ids: Int[Tensor, "batch words"]) -> States:
        """Looks up every token."""
        places = self.position_embeddings.weight[: input_ids.shape[1]]
        return self.LayerNorm(self.word_embeddings(input_ids) + self.token_type_embeddings.weight[0] + places)


class Blocks(nn.Module):
    """All blocks, one after the other."""

    def __init__(self, cfg: ClipConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Block(cfg) for _ in range(cfg.num_hidden_layers))

    def forward(self, x: States, attended: Attended) -> States:
        """Runs the blocks in order."""
        for layer in self.layer:
            x = layer(x, attended)
        return x


class Block(nn.Module):
    """Attention and two linear layers, each added to what it read and normalised."""

    def __init__(self, cfg: ClipConfig) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[cfg.hidden_act]
        self.attention = Attention(cfg)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(cfg.hidden_size, cfg.intermediate_size)})
        self.output = AddAndNorm(cfg, cfg.intermediate_size)

    def forward(self, x: States, attended: Attended) -> States:
        """One step of the residual stream."""
        x = self.attention(x, attended)
        return self.output(self.activation(self.intermediate["dense"](x)), x)


class Attention(nn.Module):
    """Every word attends to every word that is not masked out."""

    def __init__(self, cfg: ClipConfig) -> None:
        super().__init__()
        self.heads = cfg.num_attention_heads
        width = cfg.hidden_size
        self.self = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")})
        self.output = AddAndNorm(cfg, width)

    def forward(self, x: States, attended: Attended) -> States:
        """Attention over the words of one text."""
        query, key, value = (layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in self.self.values())
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=attended)
        return self.output(found.transpose(1, 2).flatten(2), x)


class AddAndNorm(nn.Module):
    """A linear layer whose result is added to the stream; the sum is normalised."""

    def __init__(self, cfg: ClipConfig, inputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, cfg.hidden_size)
        self.LayerNorm = nn.LayerNorm(cfg.hidden_size, eps=cfg.layer_norm_eps)

    def forward(self, x: Float[Tensor, "batch words inputs"], stream: States) -> States:
        """The stream after this layer."""
        return self.LayerNorm(self.dense(x) + stream)


@torch.no_grad()
def _initialise(module: nn.Module) -> None:
    """New weights as BERT was trained from: normal, of deviation 0.02."""
    if isinstance(module, nn.Linear | nn.Embedding):
        module.weight.normal_(std=_INITIAL_DEVIATION)
    if isinstance(module, nn.Linear):
        module.bias.zero_()
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        module.weight[module.padding_idx].zero_()
