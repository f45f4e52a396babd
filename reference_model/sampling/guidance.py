"""Classifier-free guidance (Ho and Salimans 2022)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reference_model.config import Compat
from reference_model.text.conditioning import TextConditioning

Latents = Float[Tensor, "batch latent_time latent_channels latent_height latent_width"]
Velocity = Callable[[Latents, Float[Tensor, ""]], Latents]
"""(latents at a time, the time in [0, 1]) -> d x / d t."""


def guided(unconditional: Latents, conditional: Latents, scale: float, compat: Compat = "upstream") -> Latents:
    """`unconditional + scale * (conditional - unconditional)`; `upstream` computes in the model's dtype."""
    if compat == "precise":
        unconditional, conditional = unconditional.float(), conditional.float()
    return unconditional + scale * (conditional - unconditional)


def prompted_velocity(
    transformer: nn.Module,
    positive: TextConditioning,
    negative: TextConditioning | None,
    scale: float,
    *,
    batched: bool = True,
    fps: float | None = None,
    compat: Compat = "upstream",
) -> Velocity:
    """The velocity field of a batch of prompts.

    Args:
        transformer: A `StepVideoTransformer`, or a module with the same forward.
        positive: One row per sample.
        negative: One row per sample; None turns guidance off.
        scale: Guidance scale.
        batched: Run both texts in one pass of twice the batch; otherwise one after the other, with less memory.
        fps: Frames per second, for transformers with additional conditions.
        compat: See `reference_model.config.Compat`. The model reads latents, and with `upstream` also times, in the
            dtype of its weights.
    """
    weight = next(transformer.parameters())

    def predict(latents: Latents, time: Float[Tensor, ""], text: TextConditioning) -> Latents:
        times = time.to(weight.device, weight.dtype if compat == "upstream" else time.dtype).expand(len(text))
        arguments = text.as_arguments()
        if fps is not None:
            arguments["fps"] = torch.full((len(text),), fps, device=weight.device)
        return transformer(latents.to(weight.device, weight.dtype), times, **arguments)

    positive = positive.to(weight.device, weight.dtype)
    if negative is None:
        return lambda latents, time: predict(latents, time, positive)
    negative = negative.to(weight.device, weight.dtype)
    both = positive.joined(negative)

    def velocity(latents: Latents, time: Float[Tensor, ""]) -> Latents:
        if batched:
            conditional, unconditional = predict(latents.repeat(2, 1, 1, 1, 1), time, both).chunk(2)
        else:
            conditional, unconditional = (predict(latents, time, text) for text in (positive, negative))
        return guided(unconditional, conditional, scale, compat)

    return velocity
