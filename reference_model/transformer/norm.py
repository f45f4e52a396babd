"""Root-mean-square norm of queries, keys and residual streams."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """`x / sqrt(mean(x^2) + eps) * weight` over the last dimension, computed in float32 (Zhang and Sennrich 2019).

    Args:
        width: Size of the last dimension.
        eps: Added to the mean square.
        round_first: Go back to the input's dtype before the product with the weight, as the released model does. Only
            makes a difference below float32.
    """

    def __init__(self, width: int, eps: float, *, round_first: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps
        self.round_first = round_first

    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        """Normalises every vector by itself; keeps the shape."""
        exact = x.float()
        exact = exact * torch.rsqrt(exact.square().mean(dim=-1, keepdim=True) + self.eps)
        if self.round_first:
            return exact.to(x.dtype) * self.weight
        return (exact * self.weight.float()).to(x.dtype)
