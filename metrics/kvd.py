"""Kernel video distance between two sets of clips."""

from __future__ import annotations

from typing import Any

from metrics.card import MetricCard
from metrics.clip_features import Handle, backbone_options
from metrics.functional.kernel import kernel_distance
from metrics.fvd import refuse_untrained
from metrics.set_distance import SetDistance
from metrics.set_metric import SetMetric, backbone_card


class KVD(SetMetric):
    """Unbiased squared maximum mean discrepancy between the features of two sets of clips.

    Its expectation does not depend on the number of clips, so it is of use where there are too few for `FVD`. Around 0
    it takes both signs: a small negative value means that nothing tells the sets apart. Where both sides show the same
    prompts they are not independent, and it lies lower.

    Args:
        backbone: As of `FVD`.
        **kwargs: As of `FVD`.
    """

    def __init__(self, backbone: Any = "i3d", **kwargs: Any) -> None:
        super().__init__([Handle(backbone, **backbone_options(kwargs))], **kwargs)

    @classmethod
    def card_for(cls, backbone: Any) -> MetricCard:
        """The card of KVD on this backbone.

        Raises:
            MetricError: The backbone is untrained.
        """
        refuse_untrained(backbone, "KVD")
        return backbone_card(
            "kvd",
            backbone,
            version=1,
            title=f"KVD ({backbone.name})",
            range=(None, None),
            formula="unbiased MMD^2 with k(a, b) = (a . b / d + 1)^3, over all pairs",
            source="Unterthiner et al., arXiv 1812.01717, 2018; estimator: Binkowski et al., ICLR 2018",
            sees="clips that look or move unlike the reference, and variety that is lost",
            blind_to="prompts; what the backbone cannot see; takes both sides for independent, so clips of the same "
            "prompts make it too low",
        )

    @classmethod
    def distance_for(cls) -> SetDistance:
        """The kernel distance; it rests on no covariance."""
        return SetDistance(of_features=kernel_distance, needs_rank=False)
