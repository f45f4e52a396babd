"""Sequence parallelism by exchanging tokens for heads around attention (Jacobs et al. 2023, DeepSpeed-Ulysses)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.nn import functional as F

from reference_model.transformer.attention import Heads, SelfAttention
from reference_model.transformer.model import StepVideoTransformer
from reference_model.transformer.rope import Rope


def split_sequence(model: StepVideoTransformer, mesh: DeviceMesh) -> None:
    """Lets every process run the blocks on its run of tokens, in place. Any number of tokens will do.

    The tokens are padded at the end to equal runs. Attention gathers them, cuts the padding off and sees the very
    tokens that a single process sees, without a mask. Cross-attention and feed-forward know no neighbours. The output
    head works on runs, too, so that only patches of pixels are gathered, not tokens.

    Args:
        model: Finished, whole or cut by tensor parallelism.
        mesh: One dimension; its size divides the heads that this process has.
    """
    if mesh.size() > 1:
        _SequenceShare(model, mesh.get_group(), mesh.get_local_rank(), mesh.size())


class _SequenceShare:
    def __init__(self, model: StepVideoTransformer, group: dist.ProcessGroup, rank: int, degree: int) -> None:
        self.group, self.rank, self.degree = group, rank, degree
        self.tokens = 0
        self._run_blocks, self._head = model.run_blocks, model.head
        model.pos_embed.register_forward_hook(self._share_tokens)
        # Of this object, in front of the methods of its class.
        model.run_blocks, model.head = self.run_blocks, self.head
        for module in model.modules():
            if isinstance(module, SelfAttention):
                module.attend = _ExchangedAttention(self, module.attend)

    @property
    def share(self) -> int:
        """Tokens of a process, padding included."""
        return -(-self.tokens // self.degree)

    def own(self, x: Tensor, dim: int) -> Tensor:
        """This process' run along a dimension, padded with zeros."""
        start = min(self.rank * self.share, self.tokens)
        part = x.narrow(dim, start, min(self.share, self.tokens - start))
        padding = [0, 0] * (x.ndim - dim - 1) + [0, self.share - part.shape[dim]]
        # A copy, so that the whole may go.
        return F.pad(part, padding) if any(padding) else part.clone()

    def _share_tokens(self, _: nn.Module, __: tuple[Tensor], tokens: Tensor) -> Tensor:
        self.tokens = tokens.shape[1]
        return self.own(tokens, 1)

    def run_blocks(
        self, tokens: Tensor, text: Tensor, modulation: Tensor, rope: Rope, text_mask: Tensor | None
    ) -> Tensor:
        """The blocks on this process' tokens, at their positions in the whole clip."""
        cos, sin = (self.own(table, 0) for table in rope)
        return self._run_blocks(tokens, text, modulation, (cos, sin), text_mask)

    def head(self, tokens: Tensor, embedded: Tensor) -> Tensor:
        """Patches of all tokens, from the tokens of every process."""
        own = self._head(tokens, embedded).contiguous()
        parts = own.new_empty(self.degree * own.shape[0], *own.shape[1:])
        dist.all_gather_into_tensor(parts, own, group=self.group)
        return parts.unflatten(0, (self.degree, -1)).transpose(0, 1).flatten(1, 2)[:, : self.tokens]

    def exchange(self, parts: Tensor) -> Tensor:
        """Sends `parts[i]` to process i, returns what all sent here, in their order."""
        received = torch.empty_like(parts)
        dist.all_to_all_single(received, parts, group=self.group)
        return received


class _ExchangedAttention:
    """(q, k, v) of all heads and some tokens -> of some heads and all tokens -> attention -> back."""

    def __init__(self, sequence: _SequenceShare, attend: Callable[[Heads, Heads, Heads], Heads]) -> None:
        self._sequence, self._attend = sequence, attend

    def __call__(self, q: Heads, k: Heads, v: Heads) -> Heads:
        return self._all_heads(self._attend(self._all_tokens(q), self._all_tokens(k), self._all_tokens(v)))

    def _all_tokens(self, x: Heads) -> Heads:
        by_heads = x.unflatten(1, (self._sequence.degree, -1)).movedim(1, 0).contiguous()
        by_tokens = self._sequence.exchange(by_heads)  # process, batch, heads, tokens, width
        return by_tokens.movedim(0, 2).flatten(2, 3)[:, :, : self._sequence.tokens]

    def _all_heads(self, x: Heads) -> Heads:
        share, degree = self._sequence.share, self._sequence.degree
        padded = F.pad(x, (0, 0, 0, share * degree - x.shape[2]))
        by_tokens = padded.unflatten(2, (degree, share)).movedim(2, 0).contiguous()
        return self._sequence.exchange(by_tokens).movedim(0, 1).flatten(1, 2)
