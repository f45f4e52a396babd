"""The arithmetic in which fixed networks compute, whatever the caller has set up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch

from metrics.errors import MetricError

Precision = Literal["float32", "bf16"]
"""Arithmetic of a network. `bf16` is faster, less exact, and another policy."""


def check_precision(precision: str, of: str) -> None:
    """Refuse an arithmetic that there is none of.

    Raises:
        MetricError: Naming it.
    """
    if precision not in get_args(Precision):
        raise MetricError(f"{of}: precision must be {' or '.join(get_args(Precision))}, got {precision!r}")


@contextmanager
def fixed_arithmetic(device: torch.device) -> Iterator[None]:
    """No gradients, and float32 that is float32: neither the caller's autocast nor TensorFloat-32 convolutions."""
    convolutions = torch.backends.cudnn.conv  # pyright: ignore[reportAttributeAccessIssue]
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        convolutions.fp32_precision = before
