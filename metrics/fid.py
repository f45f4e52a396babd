"""Fréchet inception distance between the frames of two sets of clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from metrics.backbones.protocol import VideoBackbone
from metrics.card import MetricCard
from metrics.clip_features import FramesSideBySide, Handle, backbone_options
from metrics.frechet_metric import FrechetMetric, frechet_card_fields, other_ddof
from metrics.fvd import refuse_untrained
from metrics.set_distance import SetDistance
from metrics.set_metric import backbone_card

FRAMES = 8


class FID(FrechetMetric):
    """Fréchet distance between the features of single frames: how clips look, frame by frame.

    Of every clip the same number of frames is taken, spread evenly. Frames of one clip are alike: n counts clips, and
    the interval resamples clips.

    Args:
        backbone: Name such as `inception`, or an object that fulfils `FrameBackbone` and samples `frames` frames.
        frames: Frames of each clip; part of the policy in the metric's id. A shorter clip is refused.
        ddof: As of `FVD`.
        **kwargs: As of `FVD`.
    """

    def __init__(self, backbone: Any = "inception", *, frames: int = FRAMES, ddof: int = 1, **kwargs: Any) -> None:
        options = {"frames": frames, **other_ddof(ddof)}
        named = {"frames": frames} if isinstance(backbone, str) else {}
        super().__init__([Handle(backbone, of_frames=True, **named, **backbone_options(kwargs))], options, **kwargs)

    @classmethod
    def card_for(cls, backbone: Any, *, frames: int = FRAMES, ddof: int = 1) -> MetricCard:
        """The card of frame FID on this backbone.

        Raises:
            MetricError: The backbone is untrained, or `ddof` neither 0 nor 1.
        """
        refuse_untrained(backbone, "FID")
        fields = frechet_card_fields(ddof)
        return backbone_card(
            "fid",
            backbone,
            version=1,
            title=f"Frame FID ({backbone.name})",
            range=(0.0, None),
            policy=fields["policy"],
            formula=f"{fields['formula']}, over {frames} frames of every clip",
            source="Heusel et al., NeurIPS 2017; distance: Dowson and Landau, 1982",
            sees="frames that look unlike those of the reference, and variety that is lost",
            blind_to="time: shuffled frames have the same value; prompts; falls with n, so compare at equal n only",
        )

    @classmethod
    def distance_for(cls, *, frames: int = FRAMES, ddof: int = 1) -> SetDistance:
        """The Fréchet distance with every frame as a point of its own."""
        return dataclasses.replace(super().distance_for(ddof=ddof), rows_per_clip=frames)

    @staticmethod
    def _clip_backbone(
        handles: Sequence[Handle], device: torch.device | str, *, frames: int = FRAMES, ddof: int = 1
    ) -> VideoBackbone:
        return FramesSideBySide(handles[0].on(device), frames)
