"""A patch discriminator with the hinge loss: the optional opponent of the Video-VAE."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from reference_model.training.distributed import average_gradients
from reference_model.training.linear_start import bias_of
from reference_model.training.optimiser import optimiser_state, restore_optimiser, set_rate
from reference_model.vae.layers import Video
from reference_model.vae.model import Clips

BETAS = (0.5, 0.9)
"""Of the discriminator's Adam: less momentum than usual, since its task changes all the time."""


class PatchDiscriminator(nn.Module):
    """One judgement per patch of a clip, positive for real (Isola et al. 2017, arXiv 1611.07004, section 3.2.2).

    Three halvings of height and width, none of time: single frames are judged as well.

    Args:
        width: Channels after the first layer.
        generator: Of the first weights.
    """

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        convs = [nn.Conv3d(before, after, (3, 4, 4), (1, 2, 2), 1) for before, after in pairwise(widths)]
        convs.append(nn.Conv3d(widths[-1], 1, 3, padding=1))
        self.convs = nn.Sequential(*convs)
        for conv in convs:
            nn.init.kaiming_normal_(conv.weight, 0.2, generator=generator)
            nn.init.zeros_(bias_of(conv))

    def forward(self, video: Video) -> Float[Tensor, "batch 1 time patch_height patch_width"]:
        """(b, 3, t, 8h, 8w) -> (b, 1, t, h, w)."""
        *hidden, last = self.convs
        for conv in hidden:
            video = F.leaky_relu(conv(video), 0.2)
        return last(video)


class PatchOpponent:
    """See `Opponent`.

    Args:
        discriminator: On the device of the clips.
        learning_rate: Peak rate of its Adam.
        r1_weight: Of the penalty on its gradient at real clips (Mescheder et al. 2018, arXiv 1801.04406).
    """

    def __init__(self, discriminator: PatchDiscriminator, learning_rate: float, r1_weight: float = 0.0) -> None:
        self.discriminator = discriminator
        self.r1_weight = r1_weight
        group = {"params": list(discriminator.parameters()), "peak_lr": learning_rate}
        self.optimiser = torch.optim.Adam([group], lr=learning_rate, betas=BETAS)
        self._seen: list[tuple[Clips, Clips]] = []

    def objection(self, real: Clips, made: Clips) -> Float[Tensor, ""]:
        """What the model is to minimise: minus the mean judgement on what it made. The pair is kept for `learn`."""
        self._seen.append((real, made.detach().float()))
        self.discriminator.requires_grad_(False)
        return -self.discriminator(made.transpose(1, 2)).mean()

    def learn(self, rate: float) -> dict[str, Tensor]:
        """Hinge loss (Lim and Ye 2017, arXiv 1705.02894) on the clips since the last step, if there were any."""
        if not self._seen:
            return {}
        self.discriminator.requires_grad_(True)
        set_rate(self.optimiser, rate)
        clips, total = sum(len(real) for real, _ in self._seen), torch.zeros(())
        for real, made in self._seen:
            loss = self._loss(real.transpose(1, 2), made.transpose(1, 2)) * (len(real) / clips)
            loss.backward()
            total = total + loss.detach()
        self._seen.clear()
        average_gradients(self.discriminator)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return {"discriminator_loss": total}

    def _loss(self, real: Video, made: Video) -> Float[Tensor, ""]:
        real = real.detach().requires_grad_(self.r1_weight > 0)
        judged = self.discriminator(real)
        loss = hinge_loss(judged, self.discriminator(made))
        if self.r1_weight:
            (slope,) = torch.autograd.grad(judged.sum(), real, create_graph=True)
            loss = loss + self.r1_weight / 2 * slope.square().flatten(1).sum(dim=1).mean()
        return loss

    def state(self) -> dict[str, Tensor]:
        """Weights and moments."""
        self.discriminator.requires_grad_(True)
        moments = optimiser_state(self.optimiser, self.discriminator)
        weights = {f"weights/{name}": value for name, value in self.discriminator.named_parameters()}
        return weights | {f"optimiser/{name}": value for name, value in moments.items()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        self.discriminator.requires_grad_(True)
        self.discriminator.load_state_dict(_part(tensors, "weights/"))
        restore_optimiser(self.optimiser, self.discriminator, _part(tensors, "optimiser/"))


def hinge_loss(real: Float[Tensor, "*judgements"], made: Float[Tensor, "*judgements"]) -> Float[Tensor, ""]:
    """Zero once every real judgement is above 1 and every other one below -1."""
    return F.relu(1 - real).mean() + F.relu(1 + made).mean()


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
