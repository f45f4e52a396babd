"""Errors of the reference model: the rule, the offending value, and the way out."""

from __future__ import annotations


class ReferenceModelError(ValueError):
    """Base of all errors that this package raises on purpose.

    Args:
        message: The broken rule together with the value that broke it.
        hint: What to do about it; printed on a line of its own.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class ConfigError(ReferenceModelError):
    """A configuration that no model can have."""


class ShapeError(ReferenceModelError):
    """A tensor, a size or a length that does not fit the model; the hint offers what would."""


class CheckpointError(ReferenceModelError):
    """A checkpoint that does not hold exactly the tensors of the model."""


class TrainingError(ReferenceModelError):
    """A training run that has broken down."""
