"""Errors and warnings of the metrics package: the broken rule, the value that broke it, and the way out.

All errors are `ValueError` subclasses, because each one is about something that was passed in.
"""

from __future__ import annotations


class MetricError(ValueError):
    """Base of all errors raised here.

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


class ClipError(MetricError):
    """A clip that a metric cannot be computed on: wrong dtype, rank, channels, size or number of frames."""


class MissingInputError(MetricError):
    """A metric was not given the reference, prompt or ground truth that its card says it needs."""


class UndefinedScoreError(MetricError):
    """The input is well formed, but the metric has no value for it."""


class FeatureError(MetricError):
    """Features or statistics that no distance between distributions can be computed from."""


class CardError(MetricError):
    """A metric card that breaks the rules of its fields."""


class UnknownMetricError(MetricError):
    """No metric has this name."""


class UnavailableMetricError(MetricError):
    """The metric is known, but cannot be loaded or built here; the message says why."""


class MetricWarning(UserWarning):
    """A value that can be computed and should not be trusted far; the message says why."""
