"""The Video-DPO loss: from squared velocity errors of winner and loser to a number. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from reference_model.vae.posterior import Latents

Objective = Literal["sigmoid", "ipo", "hinge"]
Reduction = Literal["mean", "sum"]
PerPair = Float[Tensor, " pairs"]


@dataclass(frozen=True, kw_only=True)
class PairErrors:
    """Squared velocity errors of pairs, winner and loser at the same noise and time, all of one reduction.

    Attributes:
        winner: Of the model on the winning clips.
        loser: Of the model on the losing clips.
        reference_winner: Of the frozen reference on the winning clips.
        reference_loser: Of the frozen reference on the losing clips.
    """

    winner: PerPair
    loser: PerPair
    reference_winner: PerPair
    reference_loser: PerPair

    @property
    def advantage(self) -> PerPair:
        """How much more the model gained on the winner than on the loser, `(r_w - e_w) - (r_l - e_l)`."""
        return (self.reference_winner - self.winner) - (self.reference_loser - self.loser)


def squared_error(velocity: Latents, target: Latents, reduction: Reduction) -> Float[Tensor, " batch"]:
    """Squared distance of each row in float32, the mean or the sum over its latents.

    A sum is larger by the number of latents, so beta means nothing without the reduction.
    """
    squares = (velocity.float() - target.float()).square().flatten(1)
    return squares.mean(dim=1) if reduction == "mean" else squares.sum(dim=1)


def implicit_margin(errors: PairErrors, *, beta: float, half: bool) -> PerPair:
    """The implicit reward of the winner minus that of the loser, `b * advantage`; 0 where the model is the reference.

    Args:
        errors: Of the pairs.
        beta: How strongly the model is held to the reference; published values differ by a factor of two.
        half: `b = beta / 2`, as in Wallace et al. 2024 and its code; otherwise `b = beta`, as in some ports.
    """
    return _strength(beta, half) * errors.advantage


def dpo_loss(
    errors: PairErrors,
    *,
    beta: float,
    half: bool,
    objective: Objective = "sigmoid",
    label_smoothing: float | PerPair = 0.0,
) -> PerPair:
    """Loss of each pair: `(1 - s) l(m) + s l(-m)` with the implicit margin m and the smoothing s.

    - `sigmoid`: `l(m) = -log sigmoid(m)` (Wallace et al. 2024, "Diffusion Model Alignment Using Direct Preference
      Optimization", section 4; Step-Video-T2V, arXiv 2502.10248, section 4.4). At the reference it is log 2.
    - `ipo`: `l(m) = (advantage - 1 / (2 b))^2 = ((m - 1/2) / b)^2` (Azar et al. 2024, section 5).
    - `hinge`: `l(m) = max(0, 1 - m)` (Zhao et al. 2023, SLiC-HF).

    Args:
        errors: Of the pairs.
        beta: See `implicit_margin`.
        half: See `implicit_margin`.
        objective: Which l.
        label_smoothing: Probability, 0 to 1, that the label is wrong (Mitchell 2023, conservative DPO); for one pair
            for instance the share of votes for its loser.
    """
    margin = implicit_margin(errors, beta=beta, half=half)

    def loss(margin: PerPair) -> PerPair:
        if objective == "sigmoid":
            return -logsigmoid(margin)
        if objective == "hinge":
            return (1 - margin).relu()
        return ((margin - 0.5) / _strength(beta, half)).square()

    return (1 - label_smoothing) * loss(margin) + label_smoothing * loss(-margin)


def _strength(beta: float, half: bool) -> float:
    return beta / 2 if half else beta
