"""Whose state this is: a number that travels with a metric's state, so that states of unequal ids are never joined."""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Int64
from torch import Tensor

from metrics.errors import MetricError

NOBODY = 0
"""The number of a state that holds nothing yet; it can be joined with any other."""


def identity_number(identity: str) -> int:
    """A number that stands for an id in tensors, never `NOBODY`."""
    return 1 + (int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") >> 2)


def one_identity(identities: Int64[Tensor, " states"]) -> Int64[Tensor, ""]:
    """The number that all of these states have, those that hold nothing aside.

    Raises:
        MetricError: There are several.
    """
    numbers = torch.unique(identities[identities != NOBODY])
    if len(numbers) > 1:
        raise MetricError("states of different metrics, options, backbones or weights cannot be merged")
    return numbers[0] if len(numbers) else identities[0]
