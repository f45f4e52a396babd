"""Which clips a call of the pipeline makes: every prompt with every one of its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

from jaxtyping import UInt8
from torch import Tensor

from reference_model.errors import ReferenceModelError

Seeds = int | Sequence[int] | Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One clip to be made. Prompt, seed and settings decide it alone, whatever else is in its batch."""

    prompt: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class GeneratedVideo:
    """One clip that was made.

    Attributes:
        frames: uint8 RGB on the CPU.
        fps: Frames per second that it is meant to be played at.
    """

    prompt: str
    seed: int
    frames: UInt8[Tensor, "time 3 height width"]
    fps: float


def list_samples(prompts: str | Sequence[str], seeds: Seeds) -> list[Sample]:
    """All samples, prompt after prompt, seeds in the order given.

    Args:
        prompts: One or several.
        seeds: An int: one clip per prompt, all with that seed. A sequence of ints: one clip per prompt and seed. A
            sequence of sequences: row i holds the seeds of prompt i.

    Raises:
        ReferenceModelError: Without prompts, without seeds, for a seed beyond 64 bits, or if the rows of seeds do not
            match the prompts.
    """
    prompts = [prompts] if isinstance(prompts, str) else list(prompts)
    if not prompts:
        raise ReferenceModelError("at least one prompt is needed, got none")
    if isinstance(seeds, int | Integral):
        rows = [[seeds]] * len(prompts)
    else:
        flat = [seed for seed in seeds if isinstance(seed, Integral)]
        nested = [list(row) for row in seeds if not isinstance(row, int | Integral)]
        if flat and nested:
            raise ReferenceModelError(f"seeds must be all ints or all sequences of ints, got {seeds!r}")
        rows = nested or [flat] * len(prompts)
    if len(rows) != len(prompts):
        raise ReferenceModelError(
            f"there must be one row of seeds per prompt, got {len(rows)} rows for {len(prompts)} prompts",
            hint="a flat list of seeds is used for every prompt",
        )
    if not all(rows):
        raise ReferenceModelError(f"every prompt needs at least one seed, got {seeds!r}")
    for seed in (seed for row in rows for seed in row):
        if not -(2**63) <= seed < 2**64:
            raise ReferenceModelError(f"a seed must fit into 64 bits, got {seed}")
    return [Sample(prompt=prompt, seed=int(seed)) for prompt, row in zip(prompts, rows, strict=True) for seed in row]
