"""The distribution of latents that the encoder describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Generators = torch.Generator | Sequence[torch.Generator] | None

LOGVAR_RANGE = (-30.0, 20.0)

Latents = Float[Tensor, "batch latent_time latent_channels latent_height latent_width"]


@dataclass(frozen=True)
class DiagonalGaussian:
    """Independent normal distributions, one per latent value.

    Attributes:
        mean: (b, f, z, h, w).
        logvar: Natural logarithm of the variance, same shape, within [-30, 20].
    """

    mean: Latents
    logvar: Latents

    @classmethod
    def from_moments(
        cls, moments: Float[Tensor, "batch latent_time moments latent_height latent_width"]
    ) -> DiagonalGaussian:
        """Splits the encoder's output: first half of the channels is the mean, second half the log-variance."""
        mean, logvar = moments.chunk(2, dim=2)
        return cls(mean, logvar.clamp(*LOGVAR_RANGE))

    @property
    def std(self) -> Latents:
        """Standard deviations."""
        return torch.exp(0.5 * self.logvar)

    def sample(self, generator: Generators = None) -> Latents:
        """`mean + std * noise`; the noise is drawn in float32 on the generator's device (default: the CPU).

        Args:
            generator: One for the whole batch, or one per row, so that a row's noise does not depend on its neighbours.
        """
        if generator is None or isinstance(generator, torch.Generator):
            noise = _normal(self.mean.shape, generator)
        else:
            noise = torch.stack([_normal(row.shape, one) for row, one in zip(self.mean, generator, strict=True)])
        return self.mean + self.std * noise.to(self.mean)


def _normal(shape: torch.Size, generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, generator=generator, device=None if generator is None else generator.device)
