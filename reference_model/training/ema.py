"""Exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from reference_model.training.optimiser import trainable


class MovingAverage:
    """A smoothed copy of the trainable weights, in their dtype and, where they are sharded, in their shards.

    The decay starts low and rises to `decay`, so that the first weights do not linger: `min(decay, (n + 1) / (n + 10))`
    after n updates.

    Attributes:
        weights: Parameter name -> average.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {name: value.detach().clone() for name, value in trainable(model)}

    @torch.no_grad()
    def update(self, model: nn.Module, updates: int) -> None:
        """Moves towards the model's weights; `updates` is how many there were before this one."""
        decay = min(self.decay, (updates + 1) / (updates + 10))
        current = dict(trainable(model))
        names = list(self.weights)
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            [self.weights[name] for name in names], [current[name].detach() for name in names], 1 - decay
        )

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The model has the averaged weights inside the block, and its own again afterwards."""
        current = dict(trainable(model))
        own = {name: value.detach().clone() for name, value in current.items()}
        try:
            _copy(self.weights, current)
            yield
        finally:
            _copy(own, current)


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, value in source.items():
        target[name].copy_(value)
