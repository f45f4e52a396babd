"""One process or many: the few places where the training loop has to know."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from reference_model.errors import CheckpointError, ConfigError
from reference_model.training.blocks import blocks_of
from reference_model.training.ending import leave as leave
from reference_model.training.recipe import Strategy


def start(device: str = "auto", *, patience: timedelta | None = None) -> torch.device:
    """Joins the other processes that `torchrun` started, if it did; to be called before models are built.

    Tensors on GPUs travel over NCCL, those on CPUs over gloo.

    Args:
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, or a certain one such as `cuda:1`.
        patience: How long a process waits for another one; None means PyTorch's defaults.

    Returns:
        Where this process computes: GPU i for the i-th process of a machine.

    Raises:
        ConfigError: If there are more processes than GPUs.
    """
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else torch.device(device).type
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return torch.device(kind if device == "auto" else device)
    if kind == "cuda":
        local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= gpus:
            raise ConfigError(
                f"every process needs a GPU of its own, got process {local} (from 0) on a machine with {gpus}",
                hint=f"start torchrun with --nproc-per-node {gpus}, or train on the CPU",
            )
        torch.cuda.set_device(local)
    # Nothing here changes a block's output in place, which is what PyTorch warns of.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
    dist.init_process_group("cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo", timeout=patience)
    return torch.device(kind, torch.cuda.current_device()) if kind == "cuda" else torch.device(kind)


def stop() -> None:
    """Leaves the other processes; nothing where there are none."""
    if dist.is_initialized():
        dist.destroy_process_group()


def world() -> tuple[int, int]:
    """(number of this process, number of processes)."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def is_main() -> bool:
    """Whether this process writes files and shows progress."""
    return world()[0] == 0


def barrier() -> None:
    """Waits for all processes."""
    # Of tensors on CPUs, so that NCCL need not guess which GPU is meant.
    any_process(False)


def own_samples(batch_size: int) -> list[int]:
    """Positions of a step's batch that this process computes.

    Raises:
        ConfigError: If the batch does not divide evenly.
    """
    rank, processes = world()
    if batch_size % processes:
        raise ConfigError(
            f"batch_size must be a multiple of the number of processes, got {batch_size} for {processes}",
            hint="batch_size counts the clips of all processes together",
        )
    return list(range(rank, batch_size, processes))


def wrap(model: nn.Module, strategy: Strategy) -> nn.Module:
    """The module to call forward on: the model itself, or its wrapper where there are several processes.

    All processes go on with the weights of the first one; a model that is in parts already (`sharded_start`) is left
    as it is.
    """
    if world()[1] == 1 or isinstance(model, FSDPModule):
        return model
    if strategy == "ddp":
        return DistributedDataParallel(model)
    for value in [*model.parameters(), *model.buffers()]:
        dist.broadcast(value.detach(), src=0)
    shard(model)
    return model


def shard(model: nn.Module, *, device: torch.device | None = None, whole: nn.Module | None = None) -> None:
    """Cuts every block of a model, and the rest of it as one, into a part per process (FSDP2), in place.

    Each block is put together while it computes, by all processes at the same time. Of a model that is trained, blocks
    without trained weights stay whole, so that a process may call them as often as it likes; a model that is not
    trained at all, such as a reference, is cut throughout.

    Args:
        model: With weights, or on the meta device.
        device: Where its weights are, or are to come; None means where they are.
        whole: A part of it that stays whole in any case.
    """
    for parameter in model.parameters():
        parameter.data = parameter.data.contiguous()  # FSDP2 cuts no other memory layout
    kind = next(model.parameters()).device.type if device is None else device.type
    mesh = init_device_mesh(kind, (world()[1],))
    kept = set() if whole is None else set(whole.parameters())
    everything = not _is_trained(model)
    blocks = [block for block in blocks_of(model) if kept.isdisjoint(block.parameters())]
    cut = [block for block in blocks if everything or _is_trained(block)]
    for block in cut:
        fully_shard(block, mesh=mesh)
    inside = {parameter for block in cut for parameter in block.parameters()}
    if not everything:
        kept |= {value for value in model.parameters() if not (value.requires_grad or value in inside)}
    fully_shard(model, mesh=mesh, ignored_params=kept)


def _is_trained(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


@contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """Inside, methods of a sharded model besides its forward may be called too, by all processes alike."""
    if not isinstance(model, FSDPModule):
        yield
        return
    model.unshard()
    try:
        yield
    finally:
        model.reshard()


@contextmanager
def accumulating(model: nn.Module, *, last: bool) -> Iterator[None]:
    """Gradients are exchanged between processes in the last of several backward passes only."""
    if isinstance(model, DistributedDataParallel) and not last:
        with model.no_sync():
            yield
    elif isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(last)
        yield
    else:
        yield


@torch.no_grad()
def average_gradients(model: nn.Module) -> None:
    """Averages the gradients of a model that no strategy takes care of."""
    processes = world()[1]
    if processes > 1:
        for parameter in model.parameters():
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= processes


def mean(values: Mapping[str, float]) -> dict[str, float]:
    """Averages of figures over all processes that have them; NaN where none has."""
    if world()[1] == 1:
        return dict(values)
    figures = torch.tensor(list(values.values()), dtype=torch.float64)
    known = ~figures.isnan()
    sums = torch.stack([figures.nan_to_num(posinf=math.inf, neginf=-math.inf), known.double()])
    dist.all_reduce(sums)
    return dict(zip(values, (sums[0] / sums[1]).tolist(), strict=True))


def any_process(condition: bool) -> bool:
    """Whether it holds in any process; all get the same answer."""
    if world()[1] == 1:
        return condition
    flag = torch.tensor(int(condition))
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag)


def whole_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors on the CPU of the main process, sharded ones put together one by one; nothing in other processes."""
    whole: dict[str, Tensor] = {}
    for name, value in tensors.items():
        together = value.full_tensor() if isinstance(value, DTensor) else value
        if is_main():
            whole[name] = together.detach().cpu()
    return whole


@torch.no_grad()
def copy_whole(tensors: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
    """Copies whole tensors into others of the same names, cutting them where these are sharded.

    Raises:
        CheckpointError: If names or shapes do not agree.
    """
    different = sorted(tensors.keys() ^ targets.keys())
    different = different or [name for name, value in targets.items() if value.shape != tensors[name].shape]
    if different:
        raise CheckpointError(
            f"the checkpoint and the model differ in {len(different)} tensors, first {different[0]}",
            hint="go on with the configuration, and the trained part of the model, that the run was started with",
        )
    for name, target in targets.items():
        target.copy_(like(tensors[name], target))


def like(whole: Tensor, example: Tensor) -> Tensor:
    """The tensor, cut like the example if that is sharded."""
    if isinstance(example, DTensor):
        device, mesh = example.to_local().device, example.device_mesh
        return distribute_tensor(whole.to(device), mesh, example.placements, src_data_rank=None)
    return whole
