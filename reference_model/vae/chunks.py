"""Blending the borders between chunks that were decoded independently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

OWN_SHARE = 0.6
"""Share of a border frame that remains its own; the rest comes from the frame across the border."""

BorderBlend = Literal["upstream", "simultaneous", "none"]
Frames = Float[Tensor, "batch _time channels height width"]


def blend_borders(chunks: Iterable[Frames], how: BorderBlend) -> Iterator[Frames]:
    """Mixes the last frame A of every chunk with the first frame B of the next one; holds back one chunk at a time.

    `upstream`: B' = 0.6 B + 0.4 A, then A' = 0.6 A + 0.4 B'. `simultaneous`: A' = 0.6 A + 0.4 B in place of that.
    `none`: chunks pass unchanged.

    Args:
        chunks: Decoded chunks in order of time.
        how: The variant.
    """
    held: Frames | None = None
    for chunk in chunks:
        if held is None or how == "none":
            if held is not None:
                yield held
            held = chunk
            continue
        finished, held = _blended(held, chunk, how)
        # While the next chunk is decoded, only the one that is held back may be alive.
        del chunk
        yield finished
        del finished
    if held is not None:
        yield held


def _blended(before: Frames, after: Frames, how: BorderBlend) -> tuple[Frames, Frames]:
    last, first = before[:, -1:], after[:, :1]
    new_first = OWN_SHARE * first + (1 - OWN_SHARE) * last
    across = new_first if how == "upstream" else first
    new_last = OWN_SHARE * last + (1 - OWN_SHARE) * across
    return torch.cat([before[:, :-1], new_last], dim=1), torch.cat([new_first, after[:, 1:]], dim=1)
