"""Fréchet distance on the features of untrained networks: a signal that needs no weights of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from metrics.backbones.protocol import VideoBackbone
from metrics.card import MetricCard
from metrics.clip_features import Handle, SideBySide
from metrics.errors import MetricError
from metrics.functional.frechet import frechet_distance
from metrics.set_distance import SetDistance
from metrics.set_metric import SetMetric, backbone_card

FAMILY = "random_feature_distance"
SEEDS = 5


class RandomFeatureDistance(SetMetric):
    """Mean over several random networks of the Fréchet distance between two sets of clips.

    It sees gross changes in how clips look and move, so it can guard against regressions where no trained backbone is
    at hand. It is no substitute for FVD: nobody has shown that it agrees with people.

    Args:
        backbone: Name of an architecture registered at several seeds, `NAME-0`, `NAME-1` and so on, or the backbones
            themselves, as names or objects of one architecture.
        seeds: How many of a named architecture are averaged; part of the metric's id.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        MetricError: `seeds` is below 1, or the backbones differ in size or policy.
    """

    def __init__(self, backbone: str | Sequence[Any] = "random-3d", *, seeds: int = SEEDS, **kwargs: Any) -> None:
        name = backbone.replace("_", "-") if isinstance(backbone, str) else ""
        several = [f"{name}-{seed}" for seed in range(seeds)] if name else list(backbone)
        if not several:
            raise MetricError("at least one random backbone must be given, got none", hint="5 seeds are the default")
        handles = [Handle(one) for one in several]
        self._architecture: tuple[str, list[Handle]] = name or handles[0].on("cpu").name, handles
        super().__init__(several[0], {"seeds": len(several)}, **kwargs)

    @classmethod
    def card_for(cls, backbone: Any, *, seeds: int = SEEDS) -> MetricCard:
        """The card over these backbones."""
        return backbone_card(
            FAMILY,
            backbone,
            version=1,
            title=f"Random feature distance ({backbone.name})",
            range=(0.0, None),
            formula=f"mean over {seeds} seeds of |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^1/2), S with n - 1",
            source="after Naeem et al., ICML 2020, section 5, who use random image features; for clips ours",
            sees="gross changes of appearance and motion",
            blind_to="prompts and meaning; not validated against people; falls with n, so compare at equal n only",
        )

    @classmethod
    def distance_for(cls, *, seeds: int = SEEDS) -> SetDistance:
        """The Fréchet distance in the space of every seed by itself, averaged."""
        return SetDistance(of_features=frechet_distance, blocks=seeds)

    def _clip_backbone(self, device: torch.device | str) -> VideoBackbone:
        name, handles = self._architecture
        return SideBySide(name, [handle.on(device) for handle in handles])
