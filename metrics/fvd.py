"""Fréchet video distance, between sets of generated and real clips, and of reconstructions and their originals."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import Tensor

from metrics.card import MetricCard
from metrics.clip_features import Handle, backbone_options
from metrics.errors import MetricError
from metrics.frechet_metric import FrechetMetric, frechet_card_fields, other_ddof
from metrics.set_distance import SetDistance
from metrics.set_metric import backbone_card


class FVD(FrechetMetric):
    """Fréchet distance between the features of two sets of clips, each taken as a Gaussian; 0 for equal sets.

    It is biased upwards, the more so the fewer clips there are: compare at equal n only, and read it beside `floor`
    (real against real) and `KVD`. With I3D it is the published FVD as far as the weights and the policy in the card are
    those; with another backbone it is another metric, and its name says so.

    Args:
        backbone: Name such as `i3d`, `videomae`, `shapes` or `transformers:FOLDER`, or an object that fulfils
            `VideoBackbone`.
        ddof: Covariances are divided by n - ddof: 1, or 0 as in some published values.
        **kwargs: Options of a named backbone (`BACKBONE_OPTIONS`), such as `frames` or `precision`, and those of
            `torchmetrics.Metric`.

    Example:
        >>> import metrics, torch
        >>> fvd = metrics.build("fvd", backbone="shapes")
        >>> fvd.card.name
        'fvd_shapes'
        >>> rows = torch.arange(330.0)[:, None] * torch.eye(330, fvd.width)
        >>> fvd.update_features(rows, rows + 1)     # a step of 1 in each of 320 dimensions
        >>> round(float(fvd.compute()), 6)
        320.0
    """

    def __init__(self, backbone: Any = "i3d", *, ddof: int = 1, **kwargs: Any) -> None:
        super().__init__([Handle(backbone, **backbone_options(kwargs))], other_ddof(ddof), **kwargs)

    @classmethod
    def card_for(cls, backbone: Any, *, ddof: int = 1) -> MetricCard:
        """The card of FVD on this backbone.

        Raises:
            MetricError: The backbone is untrained, or `ddof` neither 0 nor 1.
        """
        refuse_untrained(backbone, "FVD")
        return backbone_card(
            "fvd",
            backbone,
            version=1,
            title=f"FVD ({backbone.name})",
            range=(0.0, None),
            **frechet_card_fields(ddof),
            source="Unterthiner et al., arXiv 1812.01717, 2018; distance: Dowson and Landau, 1982",
            sees="clips that look or move unlike the reference, and variety that is lost",
            blind_to="prompts; what the backbone cannot see: I3D hardly sees time damaged (Ge et al., CVPR 2024); "
            "falls with n, so compare at equal n only",
        )


class RFVD(FVD):
    """FVD between reconstructions and the very clips that they were made from: what an autoencoder costs.

    `update` takes both at once, in pairs. The same distance as `FVD`, with another meaning and so another card.
    """

    @classmethod
    def card_for(cls, backbone: Any, *, ddof: int = 1) -> MetricCard:
        """The card of reconstruction FVD on this backbone."""
        card = super().card_for(backbone, ddof=ddof)
        return dataclasses.replace(
            card,
            name=f"r{card.name}",
            title=f"rFVD ({backbone.name})",
            family="reconstruction",
            sees="what a reconstruction changes in how clips look or move",
            blind_to="which original a clip belongs to; what the backbone cannot see; compare at equal n only",
        )

    @classmethod
    def distance_for(cls, *, ddof: int = 1) -> SetDistance:
        """That of `FVD`, over pairs."""
        return dataclasses.replace(super().distance_for(ddof=ddof), paired=True)

    def update(self, preds: Tensor | None = None, target: Tensor | None = None) -> None:
        """Add reconstructions and their originals, in the same order; all of them, or on an error none.

        Args:
            preds: uint8 RGB clips (b, t, 3, h, w).
            target: uint8 RGB clips, as many.

        Raises:
            MetricError: Not as many on both sides, or one of the errors of `features_of`.
        """
        _check_pairs(preds, target)
        super().update(preds, target)

    def update_features(self, features: Any = None, reference_features: Any = None) -> None:
        """Add pairs whose features are known already, shapes (n, width) and (n, width).

        Raises:
            MetricError: Not as many on both sides, or one of the errors of `SetMetric.update_features`.
        """
        _check_pairs(features, reference_features)
        super().update_features(features, reference_features)


def refuse_untrained(backbone: Any, title: str) -> None:
    """Features of random networks have their own metric: under a known name they would pass for something known.

    Raises:
        MetricError: The backbone's name says that it is random.
    """
    if backbone.name.startswith("rand"):
        raise MetricError(
            f"{title} names a distance on trained features, and the backbone {backbone.name!r} is untrained",
            hint="use random_feature_distance",
        )


def _check_pairs(preds: Any, target: Any) -> None:
    counts = [len(side) if hasattr(side, "__len__") else None for side in (preds, target)]
    if counts[0] != counts[1] or counts[0] is None:
        raise MetricError(
            f"a reconstruction comes with its original, got {counts[0]} of the one and {counts[1]} of the other",
            hint="update(reconstructions, originals), in the same order",
        )
