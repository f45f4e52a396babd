"""What is logged of Video-DPO: how it moves winners and losers, and how often it ranks them as people did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from reference_model.training.dpo_loss import PerPair


@dataclass(frozen=True, kw_only=True)
class PairOutcome:
    """How pairs came off, one value per pair, without gradient but for the loss.

    Attributes:
        loss: See `dpo_loss`.
        winner_drift: Error of the model minus that of the reference on the winner. Above 0 the winner itself has become
            less likely: the well-known way in which DPO goes wrong.
        loser_drift: Likewise on the loser.
        margin: See `implicit_margin`.
        change: Squared difference between the velocities of model and reference, mean over latents and both clips;
            stands in for the KL divergence, to which it is proportional at a given time.
        times: From 0 (noise) to 1 (data).
    """

    loss: PerPair
    winner_drift: PerPair
    loser_drift: PerPair
    margin: PerPair
    change: PerPair
    times: PerPair

    @property
    def right(self) -> PerPair:
        """1 where the implicit reward prefers the winner, 0.5 where it is undecided, else 0."""
        return 0.5 * (self.margin.sign() + 1)


def figures(outcome: PairOutcome, bins: int) -> dict[str, Float[Tensor, ""]]:
    """Means over pairs.

    `accuracy` is the share of pairs that the implicit reward ranks as people did, `accuracy_ti` that of pairs in the
    i-th of equal parts of the time from noise to data, counted from 1; NaN where there is none.
    """
    part = (outcome.times * bins).long().clamp(max=bins - 1)
    return {
        "winner_drift": outcome.winner_drift.mean(),
        "loser_drift": outcome.loser_drift.mean(),
        "margin": outcome.margin.mean(),
        "kl_proxy": outcome.change.mean(),
        "accuracy": outcome.right.mean(),
        **{f"accuracy_t{number + 1}": outcome.right[part == number].mean() for number in range(bins)},
    }


def joined(outcomes: Sequence[PairOutcome]) -> PairOutcome:
    """The pairs of all batches as one."""
    names = [field.name for field in fields(PairOutcome)]
    return PairOutcome(**{name: torch.cat([getattr(outcome, name) for outcome in outcomes]) for name in names})
