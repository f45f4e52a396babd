"""Several optimisers that act as one, each on parameters of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer


class CombinedOptimiser:
    """Steps all of its optimisers; what the training loop asks of an optimiser.

    Args:
        optimisers: With disjoint parameters.
    """

    def __init__(self, optimisers: Sequence[Optimizer]) -> None:
        self.optimisers = optimisers
        self.state = _JointState(optimisers)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all, to be read and changed."""
        return [group for optimiser in self.optimisers for group in optimiser.param_groups]

    def step(self) -> None:
        """One step of each."""
        for optimiser in self.optimisers:
            optimiser.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets all gradients."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=set_to_none)


class _JointState:
    """Parameter -> its moments, in whichever optimiser it belongs to."""

    def __init__(self, optimisers: Sequence[Optimizer]) -> None:
        self._owner = {
            id(parameter): optimiser
            for optimiser in optimisers
            for group in optimiser.param_groups
            for parameter in group["params"]
        }

    def __getitem__(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        return self._owner[id(parameter)].state[parameter]
