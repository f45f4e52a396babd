"""How much the vectors of a clip's frames resemble one another."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
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
    return float(vector_similarities(vectors).mean())


def vector_similarities(
    vectors: Float[Tensor, "t d"], first: Float[Tensor, " d"] | None = None
) -> Float64[Tensor, " pairs"]:
    """What `vector_consistency` is the mean of, from the second frame on.

    Args:
        vectors: Of frames in a row.
        first: Vector of the clip's first frame, where these frames do not begin with it.
    """
    rows = torch.cat([vectors[:1] if first is None else first[None], vectors])
    units = torch.nn.functional.normalize(rows.double(), dim=-1)
    beginning, frames = units[0], units[1:]
    to_neighbour = (frames[1:] * frames[:-1]).sum(dim=-1).clamp(0, 1)
    # Not a matrix product: that rounds a row by how many others there are.
    to_first = (frames[1:] * beginning).sum(dim=-1).clamp(0, 1)
    return (to_neighbour + to_first) / 2
