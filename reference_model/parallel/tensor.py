"""Tensor parallelism: DTensor plans that cut linear layers by heads (Shoeybi et al. 2019, Megatron-LM)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Replicate
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

from reference_model.text.step_llm import GroupedAttention, StepLLM
from reference_model.transformer.model import StepVideoTransformer

Sections = Mapping[str, tuple[int, ...]]
"""Name of a weight -> rows of its sections. A process holds its part of every section, one below the other."""


def split_transformer(model: StepVideoTransformer, mesh: DeviceMesh) -> None:
    """Cuts the linear layers of all blocks in place; everything else stays whole on every process.

    The rows of `wqkv` and `wkv` are fused head by head, so equal runs of rows are whole heads. Norms of queries and
    keys work within a head. Three all-reduces per block, of the whole residual stream.

    Args:
        model: Finished, with the same weights on all processes, or on the meta device.
        mesh: One dimension; its size divides the heads.
    """
    plan = {
        "attn1.wqkv": ColwiseParallel(),
        "attn1.wo": RowwiseParallel(),
        "attn2.wq": ColwiseParallel(),
        "attn2.wkv": ColwiseParallel(),
        "attn2.wo": RowwiseParallel(),
        "ff.net.0.proj": ColwiseParallel(),
        "ff.net.2": RowwiseParallel(),
    }
    for block in model.transformer_blocks:
        # Every process has the weights already, so none has to send them.
        parallelize_module(block, mesh, plan, src_data_rank=None)


def split_step_llm(model: StepLLM, mesh: DeviceMesh) -> None:
    """Cuts Step-LLM in place: attention by groups of keys and values, feed-forward by width, embeddings by channel.

    Its fused weights hold one section after the other (all queries, then keys and values; gate, then value), of each of
    which a process takes its part. Put together, the cut weights have their rows in another order than the released
    ones: `llm_sections` says which.

    Args:
        model: Finished, with the same weights on all processes, or on the meta device.
        mesh: One dimension; its size divides the groups of keys and values.
    """
    rank, degree = mesh.get_local_rank(), mesh.size()
    for name, sections in llm_sections(model).items():
        _reorder_rows(model.get_parameter(name), sections, degree)
    plan = {
        "attention.wqkv": ColwiseParallel(),
        "attention.wo": RowwiseParallel(),
        "feed_forward.w1": ColwiseParallel(),
        "feed_forward.w2": RowwiseParallel(),
    }
    heads = model.cfg.num_attention_heads // degree
    for layer in model.transformer.layers:
        parallelize_module(layer, mesh, plan, src_data_rank=None)
        attention = layer.get_submodule("attention")
        assert isinstance(attention, GroupedAttention)
        attention.query_width //= degree
        attention.register_forward_pre_hook(_own_heads(slice(rank * heads, (rank + 1) * heads)))
    by_channel = ColwiseParallel(output_layouts=Replicate())
    parallelize_module(model.tok_embeddings, mesh, {"word_embeddings": by_channel}, src_data_rank=None)


def llm_sections(model: StepLLM) -> dict[str, tuple[int, ...]]:
    """The fused weights of Step-LLM, see `Sections`. To be asked before it is cut."""
    cfg, sections = model.cfg, {}
    keys_and_values = 2 * cfg.num_attention_groups * cfg.head_dim
    for index in range(cfg.num_layers):
        layer = f"transformer.layers.{index}"
        sections[f"{layer}.attention.wqkv.weight"] = (cfg.num_attention_heads * cfg.head_dim, keys_and_values)
        sections[f"{layer}.feed_forward.w1.weight"] = (cfg.ffn_width, cfg.ffn_width)
    return sections


def rows_of(sections: tuple[int, ...], rank: int, degree: int) -> Iterator[slice]:
    """The rows that a process takes of each section."""
    start = 0
    for rows in sections:
        part = rows // degree
        yield slice(start + rank * part, start + (rank + 1) * part)
        start += rows


@torch.no_grad()
def _reorder_rows(weight: Tensor, sections: tuple[int, ...], degree: int) -> None:
    """Puts what belongs to one process together, so that equal runs of rows are the parts."""
    if weight.is_meta:
        return
    weight.copy_(torch.cat([weight[rows] for rank in range(degree) for rows in rows_of(sections, rank, degree)]))


def _own_heads(heads: slice) -> Callable[[nn.Module, tuple[Tensor, Tensor]], tuple[Tensor, Tensor]]:
    def hook(_: nn.Module, arguments: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, bias = arguments
        return x, bias[heads]

    return hook
