"""Fréchet video distance extrapolated to endlessly many clips."""

from __future__ import annotations

from functools import partial
from typing import Any

from metrics.card import MetricCard
from metrics.clip_features import Handle, backbone_options
from metrics.errors import MetricError
from metrics.functional.extrapolation import frechet_distance_infinity
from metrics.fvd import refuse_untrained
from metrics.set_distance import SetDistance
from metrics.set_metric import SetMetric, backbone_card


class FVDInfinity(SetMetric):
    """FVD without the bias of a finite number of clips, as far as a line over 1/n describes that bias.

    Needs at least 8 clips on each side, and works well from some hundreds on. It varies more than `FVD` and may be
    slightly negative; far negative where both sides show the same prompts, since the line is that of independent clips.

    Args:
        backbone: As of `FVD`.
        seed: Decides which clips share a subset; part of the metric's id.
        **kwargs: As of `FVD`.

    Raises:
        MetricError: `seed` is below 0.
    """

    def __init__(self, backbone: Any = "i3d", *, seed: int = 0, **kwargs: Any) -> None:
        if seed < 0:
            raise MetricError(f"a seed is 0 or above, got {seed}")
        super().__init__([Handle(backbone, **backbone_options(kwargs))], {"seed": seed}, **kwargs)

    @classmethod
    def card_for(cls, backbone: Any, *, seed: int = 0) -> MetricCard:
        """The card of extrapolated FVD on this backbone, its seed in the policy.

        Raises:
            MetricError: The backbone is untrained.
        """
        refuse_untrained(backbone, "FVD")
        return backbone_card(
            "fvd_infinity",
            backbone,
            policy=f"seed{seed}",
            version=1,
            title=f"FVD at infinity ({backbone.name})",
            range=(None, None),
            formula="intercept of a line through FVD over 1/n, n from a quarter of the clips to all, on both sides",
            source="Chong and Forsyth, CVPR 2020",
            sees="what FVD sees, with a bias that no longer depends on the number of clips to first order",
            blind_to="prompts; what the backbone cannot see; takes both sides for independent, so clips of the same "
            "prompts make it too low",
        )

    @classmethod
    def distance_for(cls, *, seed: int = 0) -> SetDistance:
        """The extrapolated distance with this seed."""
        return SetDistance(of_features=partial(frechet_distance_infinity, seed=seed))
