"""The noise that a clip starts from: a function of the seed, and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from reference_model.config import Compat


def seeded_noise(
    seeds: Sequence[int], shape: tuple[int, int, int, int], compat: Compat = "upstream"
) -> Float[Tensor, "batch frames channels height width"]:
    """float32 standard normal noise, one sample per seed.

    Every sample has a `torch.Generator` of its own on the CPU, so a seed means the same noise on every device and in
    every batch. `upstream` draws in bfloat16, as the released pipeline does; another dtype takes other numbers from the
    same seed.

    Args:
        seeds: One per sample.
        shape: (frames, channels, height, width) of the latents of one sample.
        compat: See `reference_model.config.Compat`.
    """
    dtype = torch.bfloat16 if compat == "upstream" else torch.float32
    draws = [torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) for seed in seeds]
    return torch.stack(draws).float()
