"""Which process does what: one DeviceMesh with a dimension per kind of parallelism."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from reference_model.parallel.config import ParallelConfig, text_degree
from reference_model.training import distributed

PATIENCE = timedelta(minutes=30)
"""How long a process waits for another one; loading and the slowest step must fit in."""


@dataclass(frozen=True)
class Ranks:
    """The processes that make a clip together.

    Attributes:
        device: Where this one computes.
        mesh: Dimensions `guidance`, `ulysses`, `tensor`; neighbours along the last one are neighbours in rank, so that
            what talks most is on one machine.
        text: One dimension: the processes that hold a part of Step-LLM each. There are as many copies of it as needed.
    """

    device: torch.device
    mesh: DeviceMesh
    text: DeviceMesh


def started_processes() -> int:
    """Processes of this job, as `torchrun` says."""
    return dist.get_world_size() if dist.is_initialized() else int(os.environ.get("WORLD_SIZE", "1"))


def join(parallel: ParallelConfig, *, llm_groups: int, device: torch.device | str | None = None) -> Ranks:
    """Meets the other processes that `torchrun` started, unless this one did already; all call it alike.

    Args:
        parallel: Degrees; their product is the number of processes.
        llm_groups: Groups of keys and values of Step-LLM.
        device: `cpu`, `cuda` or None, which takes a GPU where there is one.

    Raises:
        ConfigError: If the number of processes is another one, or there are more of them than GPUs.
    """
    parallel.require_processes(started_processes())
    if dist.is_initialized():
        backend = dist.get_backend()
        kind = "cpu" if device is None and backend == "gloo" else torch.device(device or "cuda").type
        here = torch.device(kind, torch.cuda.current_device()) if kind == "cuda" else torch.device(kind)
    else:
        here = distributed.start("auto" if device is None else str(device), patience=PATIENCE)
    shape = (2 if parallel.guidance else 1, parallel.ulysses, parallel.tensor)
    parts = text_degree(parallel.processes, llm_groups)
    return Ranks(
        device=here,
        mesh=init_device_mesh(here.type, shape, mesh_dim_names=("guidance", "ulysses", "tensor")),
        text=init_device_mesh(here.type, (parallel.processes // parts, parts), mesh_dim_names=("copies", "text"))[
            "text"
        ],
    )
