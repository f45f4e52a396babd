"""Attention with linear biases (Press et al. 2022), and the square-root form that Step-LLM was trained with."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Alibi = Literal["sqrt", "linear", "none"]


def alibi_slopes(num_heads: int, device: torch.device | None = None) -> Float[Tensor, " heads"]:
    """One slope per head, float32.

    For m, the largest power of two up to n heads: the first m slopes are 2^(-8k/m), k = 1 .. m; the others are
    2^(-4(2k-1)/m), k = 1 .. n - m, which lie between the first ones.
    """
    power = 2 ** (num_heads.bit_length() - 1)
    exponents = [-8 * k / power for k in range(1, power + 1)]
    exponents += [-4 * (2 * k - 1) / power for k in range(1, num_heads - power + 1)]
    return torch.tensor([2.0**exponent for exponent in exponents], dtype=torch.float32, device=device)


def causal_bias(
    kind: Alibi, num_heads: int, length: int, device: torch.device | None = None
) -> Float[Tensor, "heads length length"]:
    """What is added to the scaled scores of query i and key j, float32: minus infinity for j > i.

    For j <= i it is `-slope * sqrt(i - j)` (`sqrt`), `-slope * (i - j)` (`linear`) or 0 (`none`).
    """
    positions = torch.arange(length, device=device)
    distance = (positions[:, None] - positions).float()
    penalty = {"sqrt": distance.clamp(min=0).sqrt(), "linear": distance, "none": torch.zeros_like(distance)}[kind]
    bias = -alibi_slopes(num_heads, device)[:, None, None] * penalty
    return bias.masked_fill(distance < 0, float("-inf"))
