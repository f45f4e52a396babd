"""Guidance parallelism: conditional and unconditional velocity side by side, on different processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

from reference_model.errors import ConfigError
from reference_model.transformer.model import StepVideoTransformer


def split_guidance(model: StepVideoTransformer, mesh: DeviceMesh) -> None:
    """Lets every process compute its part of each batch, in place; all of them get the whole velocity.

    With guidance a batch holds the prompts first and the negative prompt second, so two processes get one each.

    Args:
        model: Finished, whole or cut in other ways.
        mesh: One dimension.
    """
    if mesh.size() > 1:
        shared = _BatchShare(model.forward, mesh.get_group(), mesh.get_local_rank(), mesh.size())
        model.forward = shared  # of this object, in front of the method of its class


class _BatchShare:
    def __init__(self, forward: Callable[..., Tensor], group: dist.ProcessGroup, rank: int, degree: int) -> None:
        self._forward, self._group, self._rank, self._degree = forward, group, rank, degree

    def __call__(self, *arguments: Any, **named: Any) -> Tensor:
        own = self._forward(*map(self._own, arguments), **{name: self._own(value) for name, value in named.items()})
        velocity = own.new_empty(self._degree * own.shape[0], *own.shape[1:])
        dist.all_gather_into_tensor(velocity, own.contiguous(), group=self._group)
        return velocity

    def _own(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if value.shape[0] % self._degree:
            raise ConfigError(
                f"guidance parallelism needs prompt and negative prompt in one batch, got a batch of {value.shape[0]}",
                hint="set guidance above 1 and leave batched_guidance on, or turn guidance parallelism off",
            )
        return value.chunk(self._degree)[self._rank]
