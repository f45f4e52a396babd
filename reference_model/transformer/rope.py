"""Rotary position embedding over the three axes of a video (Su et al. 2021, extended to t, y and x)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

Rope = tuple[Float[Tensor, "tokens half"], Float[Tensor, "tokens half"]]
"""Cosines and sines of every token's angles; the columns of the three axes stand side by side."""


def rope_tables(
    grid: tuple[int, int, int],
    split: tuple[int, ...],
    *,
    angle_dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> Rope:
    """Cosines and sines for all tokens of a grid, in token order (t, y, x) with x fastest.

    A group of width d turns pair j by `position * 10000^(-2j/d)`; positions count from 0 along each axis, unscaled.

    Args:
        grid: Tokens along (t, y, x).
        split: Channels of a head that encode (t, y, x), all even.
        angle_dtype: The angles are rounded to it before cosine and sine are taken in it. The released model uses the
            dtype of its activations, which in bfloat16 moves angles above 2 by up to half a percent.
        device: Where to put the tables.
    """
    axes = torch.meshgrid(*(torch.arange(size, device=device) for size in grid), indexing="ij")
    angles = []
    for positions, width in zip(axes, split, strict=True):
        exponents = torch.arange(0, width, 2, dtype=torch.float32, device=device) / width
        angles.append(positions.reshape(-1, 1).float() / 10000.0**exponents)
    rounded = torch.cat(angles, dim=1).to(angle_dtype)
    return rounded.cos(), rounded.sin()


def rotate(
    x: Float[Tensor, "batch heads tokens head_dim"], rope: Rope, split: tuple[int, ...]
) -> Float[Tensor, "batch heads tokens head_dim"]:
    """Turns each channel group by its own angles: first half u and second half v become (u cos - v sin, v cos + u sin).

    Computed in the dtype that `x` and the tables have in common; the result has the dtype of `x`.
    """
    halves = [width // 2 for width in split]
    turned = []
    for group, cos, sin in zip(
        x.split(list(split), dim=-1), rope[0].split(halves, dim=-1), rope[1].split(halves, dim=-1), strict=True
    ):
        u, v = group.chunk(2, dim=-1)
        turned += [u * cos - v * sin, v * cos + u * sin]
    return torch.cat(turned, dim=-1).to(x.dtype)
