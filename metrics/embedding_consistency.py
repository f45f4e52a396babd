"""Consistency of subject and background over time, by vectors of frames from a trained network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from metrics.backbones.frame_encoder import FrameEncoder, find_encoder
from metrics.backbones.frame_recipe import FRAMES_AT_ONCE
from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.vector_consistency import vector_similarities
from metrics.view import ClipView
from metrics.weights import find_weights

_FORMULA = "mean over t >= 2 of (max(0, cos(f[t], f[t-1])) + max(0, cos(f[t], f[1]))) / 2"
_SOURCE = "VBench: Huang et al., CVPR 2024"


class _VectorConsistency(FrameMetric):
    """Mean cosine of each frame's vector to its neighbour's and to the first frame's, clipped at 0.

    Args:
        profile: `strict`, frames resized as the network's publisher does; or `vbench`, as VBench does. They are
            different metrics with different ids. VBench also pools over all frames of all clips where this is a mean
            over clips, which differs where clips differ in length.
        weights: Other weights of the same kind: a name of `stepbench weights list`, or a folder.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        UnavailableMetricError: The weights are not on this machine.
    """

    min_frames = 2
    default_weights: ClassVar[str]

    def __init__(self, *, profile: str = "strict", weights: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weights = self.default_weights if weights is None else weights
        self.profile = profile
        encoder = self.encoder
        self.card = replace(
            type(self).card, backbone=encoder.name, weights_hash=encoder.weights_hash, policy=encoder.policy
        )

    @property
    def encoder(self) -> FrameEncoder:
        """The network; shared by all metrics of this process."""
        return find_encoder(self.weights, self.profile)

    @classmethod
    def check_available(cls) -> None:
        """See the base; looks for the default weights."""
        find_weights(cls.default_weights)

    def frames_at_once(self, height: int, width: int) -> int:
        """As many as the network sees at a time."""
        return FRAMES_AT_ONCE

    def measure(self, view: ClipView) -> np.ndarray:
        """How alike each frame is to its neighbour and to the first frame of the clip."""
        encoder = self.encoder
        vectors = view.once(("frame encoder", encoder), lambda: encoder.embed_clip(view.frames))
        first, last = view.carried[id(self)] if view.start else (vectors[0], vectors[:0])
        view.carried[id(self)] = first, vectors[-1:]
        return vector_similarities(torch.cat([last, vectors]), first).numpy()


class SubjectConsistency(_VectorConsistency):
    """Whether what a clip shows stays the same thing, by DINO features of whole frames.

    A frozen clip has the best value there is, so read it beside `motion_magnitude`.

    Example:
        >>> import metrics
        >>> strict = metrics.build("subject_consistency")                          # doctest: +SKIP
        >>> as_vbench = metrics.build("subject_consistency", profile="vbench")     # doctest: +SKIP
        >>> newer = metrics.build("subject_consistency", weights="dinov2-base")    # doctest: +SKIP
    """

    default_weights = "dino-vitb16"
    card = MetricCard(
        name="subject_consistency",
        version=1,
        title="Subject consistency",
        direction="higher",
        unit="",
        range=(0.0, 1.0),
        level="clip",
        family="temporal consistency",
        policy="all",
        backbone=default_weights,
        formula=f"{_FORMULA}; f = DINO's class token",
        source=_SOURCE,
        sees="subjects that change identity, shape or texture; cuts",
        blind_to="stillness, which it rewards; frame rate, which raises it; what no frame of the clip shows",
    )


class BackgroundConsistency(_VectorConsistency):
    """Whether the scene of a clip stays the same, by CLIP features of the centre of frames.

    A frozen clip has the best value there is, so read it beside `motion_magnitude`.
    """

    default_weights = "clip-vit-base-patch32"
    card = MetricCard(
        name="background_consistency",
        version=1,
        title="Background consistency",
        direction="higher",
        unit="",
        range=(0.0, 1.0),
        level="clip",
        family="temporal consistency",
        policy="all",
        backbone=default_weights,
        formula=f"{_FORMULA}; f = CLIP's image embedding",
        source=_SOURCE,
        sees="scenes that turn into others; cuts",
        blind_to="stillness, which it rewards; frame rate, which raises it; fine texture; the margins of wide frames",
    )


class VBenchSubjectConsistency(SubjectConsistency):
    """`subject_consistency` in the profile `vbench`, under a name that runs can be scored with."""

    card = replace(
        SubjectConsistency.card,
        name="vbench_subject_consistency",
        title="Subject consistency (VBench)",
        policy="all-vbench",
        formula=f"{SubjectConsistency.card.formula}; frames and positions as in VBench",
    )

    def __init__(self, *, weights: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(profile="vbench", weights=weights, **kwargs)


class VBenchBackgroundConsistency(BackgroundConsistency):
    """`background_consistency` in the profile `vbench`, under a name that runs can be scored with."""

    card = replace(
        BackgroundConsistency.card,
        name="vbench_background_consistency",
        title="Background consistency (VBench)",
        policy="all-vbench",
        formula=f"{BackgroundConsistency.card.formula}; frames as in VBench",
    )

    def __init__(self, *, weights: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(profile="vbench", weights=weights, **kwargs)
