"""What a recipe has to bring so that the loop can train it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

Measures = Mapping[str, float]


class TrainingTask(Protocol):
    """One recipe: its model, its data and its loss."""

    @property
    def model(self) -> nn.Module:
        """Holds everything that is trained; what is not to change has `requires_grad=False`.

        Its forward is never called by the loop, but by `loss`.
        """
        ...

    def batch(self, step: int, samples: Sequence[int]) -> Any:
        """Data of some samples of a step, a function of these numbers alone, on the CPU.

        Args:
            step: 0-based.
            samples: Positions in the step's batch, 0 to batch_size - 1.
        """
        ...

    def loss(self, model: nn.Module, batch: Any, step: int, samples: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss over the samples, and what is to be logged, each a scalar tensor.

        Args:
            model: `self.model`, perhaps wrapped for several processes; gradients flow through its forward.
            batch: Of `batch`.
            step: For random numbers.
            samples: Likewise: noise belongs to (step, sample), not to a process.

        Returns:
            The loss, and figures whose names depend on the step alone, so that all processes agree on them; NaN stands
            for a figure that these samples say nothing about.
        """
        ...

    def evaluate(self, folder: Path, step: int) -> Measures:
        """Figures on held-out data with the averaged weights; writes previews into `folder`. May be empty."""
        ...


class Opponent(Protocol):
    """A small network that is trained against the task's model, whole on every process, with its own optimiser."""

    def learn(self, rate: float) -> dict[str, Tensor]:
        """One step on what it saw since the last one, at a share of its peak rate; figures to be logged."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that changes as it learns, for checkpoints."""
        ...

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        ...


@runtime_checkable
class AdversarialTask(Protocol):
    """A task that may have an opponent besides; the loop lets it learn after every step of the model.

    Attributes:
        opponent: None where there is none.
    """

    opponent: Opponent | None


@runtime_checkable
class ReferencedTask(Protocol):
    """A task whose loss needs the model as it was before training; checkpoints do not hold it.

    Attributes:
        reference_fingerprint: `frozen_fingerprint` of what the task keeps of it outside of `model`; None where that is
            nothing.
    """

    reference_fingerprint: str | None
