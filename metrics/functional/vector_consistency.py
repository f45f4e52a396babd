"""How much the vectors of a clip's frames resemble one another."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.errors import ClipError


def vector_consistency(vectors: Float[Tensor, "t d"]) -> float:
    """Mean over frames t >= 2 of (max(0, cos(f_t, f_t-1)) + max(0, cos(f_t, f_1))) / 2.

    VBench's subject and background consistency (Huang et al., CVPR 2024) of one clip.

    Args:
        vectors: Of the frames in order, of any length.

    Raises:
        ClipError: There is a single frame.
    """
    if len(vectors) < 2:
        raise ClipError(f"consistency over time needs at least 2 frames, got {len(vectors)}")
    frames = torch.nn.functional.normalize(vectors.double(), dim=-1)
    to_neighbour = (frames[1:] * frames[:-1]).sum(dim=-1).clamp(0, 1)
    to_first = (frames[1:] @ frames[0]).clamp(0, 1)
    return float((to_neighbour + to_first).mean() / 2)
