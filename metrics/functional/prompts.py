"""How much better clips fit their own prompts than other prompts, from vectors of both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from metrics.errors import UndefinedScoreError


@dataclass(frozen=True)
class PromptMargin:
    """Mean of cosine to the own prompt minus mean cosine to the other prompts.

    Attributes:
        mean: Over prompts; several clips of one prompt are averaged first.
        standard_error: Of that mean, from the spread over prompts.
        prompts: How many there are.
    """

    mean: float
    standard_error: float
    prompts: int


def prompt_margin(
    clips: Float[Tensor, "n d"],
    texts: Float[Tensor, "n d"],
    prompts: Int64[Tensor, " n"],
    groups: Int64[Tensor, " n"],
) -> PromptMargin:
    """Margin of a set of clips over shuffled prompts.

    Clips that were given prompts at random have an expected margin of exactly 0, whatever the networks do, so this can
    be read across text towers where the cosine itself cannot.

    Args:
        clips: One vector per clip: a unit vector, or the mean of the unit vectors of its frames.
        texts: The unit vector of each clip's own prompt.
        prompts: A number per prompt; clips of equal prompts bear the same.
        groups: A number per language: a clip's other prompts are those of its own group.

    Raises:
        UndefinedScoreError: Some prompt has no other prompt in its group.
    """
    numbers, own = torch.unique(prompts, return_inverse=True)
    first = torch.stack([torch.nonzero(own == place)[0, 0] for place in range(len(numbers))]) if len(own) else own
    cosines = clips.double() @ texts[first].double().T
    others = (groups[:, None] == groups[first][None]) & (own[:, None] != torch.arange(len(numbers))[None])
    if not len(own) or not others.any(dim=1).all():
        raise UndefinedScoreError(
            f"a margin needs at least two different prompts of each language, got {len(numbers)} prompts in all",
            hint="score clips of several prompts together",
        )
    margins = cosines.gather(1, own[:, None])[:, 0] - (cosines * others).sum(dim=1) / others.sum(dim=1)
    per_prompt = torch.stack([margins[own == place].mean() for place in range(len(numbers))])
    return PromptMargin(float(per_prompt.mean()), float(per_prompt.std()) / math.sqrt(len(numbers)), len(numbers))


def margin_over(
    clip: Float64[Tensor, " d"], text: Float64[Tensor, " d"], distractors: Float64[Tensor, "others d"]
) -> float:
    """Cosine of one clip to its own prompt minus its mean cosine to others."""
    return float(clip @ text - (distractors @ clip).mean())
