"""What ranks really send, compute and hold while they make one denoising step; runs on all ranks of a group."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from rank_checks import drawn, inputs_of, pipeline_of, randomised
from torch import Tensor
from torch.distributed._functional_collectives import AsyncCollectiveTensor
from torch.distributed.tensor import DTensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from reference_model.config import TransformerConfig, VAEConfig
from reference_model.memory.live_bytes import LiveBytes
from reference_model.parallel import ParallelConfig
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE


class Received(TorchDispatchMode):
    """Bytes that collectives bring to this process, by operation; see `reference_model.parallel.costs` for the rule."""

    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__()
        self.sizes = sizes
        self.bytes: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        namespace, _, name = func.name().partition("::")
        if "c10d" in namespace and "wait" not in name and "wrap" not in name:
            tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]
            self._add(name.split(".")[0], [tensor.numel() * tensor.element_size() for tensor in tensors])
        return func(*args, **(kwargs or {}))

    def _add(self, name: str, sizes: list[int]) -> None:
        if "all_reduce" in name or "allreduce" in name:
            degree = self.sizes["tensor"]
            self.bytes["tensor"] += 2 * (degree - 1) * sum(sizes) // degree
        elif "alltoall" in name:
            degree = self.sizes["ulysses"]
            self.bytes["ulysses"] += (degree - 1) * max(sizes) // degree
        elif "allgather" in name or "all_gather" in name:
            # The smaller tensor is what one process gives.
            given, whole = min(sizes), max(sizes)
            kind = "guidance" if whole == self.sizes["velocity"] else "ulysses output"
            self.bytes[kind] += whole - given
        else:
            raise AssertionError(f"a collective that nobody counts: {name}")


def is_of_many_ranks(types: Any) -> bool:
    """Whether an operation will come again, on the tensors of this rank alone."""
    return any(issubclass(kind, DTensor | AsyncCollectiveTensor) for kind in types)


class LocalFlops(TorchDispatchMode):
    """Operations of this rank."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_of_many_ranks(types):
            return NotImplemented
        result = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.flops += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=result)
        return result


class LocalBytes(LiveBytes):
    """Bytes of this rank."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_of_many_ranks(types):
            return NotImplemented
        return super().__torch_dispatch__(func, types, args, kwargs)


def one_step(cfg: TransformerConfig, grid: tuple[int, int, int], parallel: ParallelConfig) -> dict[str, Any]:
    """Bytes received by kind, operations, and peak bytes of tensors beside weights."""
    model = randomised(StepVideoTransformer(cfg))
    pipeline_of(model, parallel)
    inputs = inputs_of(cfg, grid)
    velocity = inputs["hidden_states"].nbytes
    received = Received({"tensor": parallel.tensor, "ulysses": parallel.ulysses, "velocity": velocity})
    with torch.no_grad():
        with received:
            model(**inputs)
        with LocalFlops() as counter:
            model(**inputs)
        # Fused attention stores no scores; the one of small CPU tensors does.
        fused, F.scaled_dot_product_attention = F.scaled_dot_product_attention, _no_scores
        try:
            with LocalBytes() as live:
                model(**inputs)
        finally:
            F.scaled_dot_product_attention = fused
    return {"received": dict(received.bytes), "flops": counter.flops, "peak": live.peak}


def _no_scores(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    return torch.zeros_like(query)


def decoding(latent_frames: int) -> int:
    """Bytes of pixels that this rank is sent."""
    shape = {"enc_ch": 2, "enc_ch_mult": (2, 4, 8, 8), "dec_ch": 2, "dec_ch_mult": (1, 2, 4, 4), "z_channels": 2}
    vae = randomised(VideoVAE(VAEConfig(**shape, groups=2)))
    processes = torch.distributed.get_world_size()
    pipeline_of(StepVideoTransformer(TransformerConfig(num_layers=0)), ParallelConfig(ulysses=processes), vae)
    sent = Broadcasts()
    with torch.no_grad(), sent:
        vae.decode(drawn(1, latent_frames, 2, 1, 2))
    return sent.bytes


class Broadcasts(TorchDispatchMode):
    """Bytes of broadcasts that come from another rank."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.name().startswith("c10d::broadcast_"):
            tensors, _, source = args[:3]
            if source != torch.distributed.get_rank():
                self.bytes += sum(tensor.nbytes for tensor in tensors)
        return func(*args, **(kwargs or {}))
