"""The arithmetic in which fixed networks compute, whatever the caller has set up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
