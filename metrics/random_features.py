"""Fréchet distance on the features of untrained networks: a signal that needs no weights of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from metrics.backbones.protocol import VideoBackbone
from metrics.card import MetricCard
from metrics.clip_features import BackbonesSideBySide, Handle, backbone_options
from metrics.errors import MetricError
from metrics.functional.frechet import frechet_distance
from metrics.set_distance import SetDistance
from metrics.set_metric import SetMetric, backbone_card

FAMILY, ARCHITECTURE, SEEDS = "random_feature_distance", "random-3d", 5


class RandomFeatureDistance(SetMetric):
    """Mean over several random networks of the Fréchet distance between two sets of clips.

    It sees gross changes in how clips look and move, so it can guard against regressions where no trained backbone is
    at hand. It is no substitute for FVD: nobody has shown that it agrees with people.

    Args:
        backbone: Name of an architecture whose loader takes a `seed`, or the backbones themselves.
        seeds: How many of a named architecture are averaged, from seed 0 on; part of the metric's id.
        **kwargs: As of `FVD`.

    Raises:
        MetricError: No backbone at all, or backbones that differ in name, size or policy, or share their weights.
    """

    def __init__(self, backbone: str | Sequence[Any] = ARCHITECTURE, *, seeds: int = SEEDS, **kwargs: Any) -> None:
        chosen = backbone_options(kwargs)
        handles = (
            [Handle(backbone, seed=seed, **chosen) for seed in range(seeds)]
            if isinstance(backbone, str)
            else [Handle(one, **chosen) for one in backbone]
        )
        if not handles:
            raise MetricError("at least one random backbone is needed, got none", hint=f"{SEEDS} are the default")
        super().__init__(handles, {"seeds": len(handles)}, **kwargs)

    @classmethod
    def card_for(cls, backbone: Any, *, seeds: int = SEEDS) -> MetricCard:
        """The card over these backbones."""
        return backbone_card(
            FAMILY,
            backbone,
            **({"name": FAMILY} if backbone.name == ARCHITECTURE else {}),
            version=1,
            title=f"Random feature distance ({backbone.name})",
            range=(0.0, None),
            formula=f"mean over {seeds} seeds of |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^1/2), S with n - 1",
            source="after Naeem et al., ICML 2020, who use random features of images; for clips ours",
            sees="gross changes of appearance and motion",
            blind_to="prompts and meaning; not validated against people; falls with n, so compare at equal n only",
        )

    @classmethod
    def distance_for(cls, *, seeds: int = SEEDS) -> SetDistance:
        """The Fréchet distance in the space of every seed by itself, averaged."""
        return SetDistance(of_features=frechet_distance, blocks=seeds)

    @staticmethod
    def _clip_backbone(handles: Sequence[Handle], device: torch.device | str, **options: Any) -> VideoBackbone:
        return BackbonesSideBySide([handle.on(device) for handle in handles])
