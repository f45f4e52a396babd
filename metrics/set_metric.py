"""The base of every metric that gives one value per set of clips: features on the way in, a distance on the way out."""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from metrics.backbones.clip_sampling import frames_seen
from metrics.backbones.protocol import VideoBackbone
from metrics.card import MetricCard
from metrics.clip_features import Handle
from metrics.errors import MetricError, MetricWarning, UndefinedScoreError
from metrics.feature_states import FeatureStates
from metrics.functional.checks import check_batch
from metrics.functional.features import float64_array
from metrics.functional.resampling import Floor, Interval, bootstrap_interval, real_against_real
from metrics.set_distance import SetDistance
from metrics.torchmetrics_base import Metric


class SetMetric(FeatureStates, ABC):
    """A distance between a set of clips and a reference set, computed from the features of every clip.

    A subclass writes `card_for` and `distance_for`, whose keywords are its options. State is the features, one float32
    row per clip; any split of these rows over batches, shards or processes, in any order, gives the same bits. The rows
    themselves a network may round by the size of the batch.

    Args:
        backbones: What gives the features.
        options: What the value depends on beside the backbone, for `card_for` and `distance_for`.
        **kwargs: Options of `torchmetrics.Metric`.

    Attributes:
        card: The metric's identity and meaning, backbone and options included.
        feature_id: Backbone, weights and policy behind the features; those of equal ids can be used in one another's
            place.
        width: Numbers per clip.
        distance: The distance between two sets of such rows.

    Raises:
        UnknownMetricError: There is no backbone of this name.
        UnavailableMetricError: Its weights or a package that it needs are not on this machine.
    """

    is_differentiable = False
    higher_is_better = False

    def __init__(self, backbones: Sequence[Handle], options: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        chosen = dict(options or {})
        backbone = self._clip_backbone(backbones, "cpu", **chosen)
        feature_id = ":".join((backbone.name, backbone.weights_hash, backbone.policy))
        super().__init__(feature_id, backbone.dimensions, **kwargs)
        self.card: MetricCard = self.card_for(backbone, **chosen)
        self.distance: SetDistance = self.distance_for(**chosen)
        self._handles = tuple(backbones)
        self._options = chosen

    @classmethod
    @abstractmethod
    def card_for(cls, backbone: Any, **options: Any) -> MetricCard:
        """The card on this backbone, whose `policy` is that of the features, with these options."""

    @classmethod
    @abstractmethod
    def distance_for(cls, **options: Any) -> SetDistance:
        """The distance with these options; needs no backbone."""

    @classmethod
    def card_of(cls, **options: Any) -> MetricCard:
        """The card that `cls(**options)` has; no network is run.

        Raises:
            UnknownMetricError: There is no backbone of this name.
            UnavailableMetricError: Its weights or a package that it needs are not on this machine.
        """
        return cls(**options).card

    @staticmethod
    def _clip_backbone(handles: Sequence[Handle], device: torch.device | str, **options: Any) -> VideoBackbone:
        """The backbone, or several, as one that gives one row per clip."""
        return handles[0].on(device)

    def features_of(self, clips: UInt8[Tensor, "batch time 3 height width"]) -> Float32[Tensor, "batch dimensions"]:
        """One finite row per clip, as the states keep it.

        Raises:
            ClipError: No uint8 batch, or clips with too few frames for the policy.
            FeatureError: The backbone gave NaN or infinity; names the clip.
        """
        check_batch(clips)
        if not len(clips):
            return torch.zeros(0, self.width)
        backbone = self._clip_backbone(self._handles, self.device, **self._options)
        return self._checked(backbone.features(clips), "clips")

    def frames_seen(self, frames: int) -> Sequence[int]:
        """Which frames of a clip of so many `features_of` needs, in rising order; of these alone it gives the same."""
        return frames_seen(self._clip_backbone(self._handles, self.device, **self._options), frames)

    def update(
        self, preds: UInt8[Tensor, "b t 3 h w"] | None = None, target: UInt8[Tensor, "n s 3 y x"] | None = None
    ) -> None:
        """Add clips to one side or to both; all of them, or on an error none.

        Args:
            preds: uint8 RGB clips to be judged.
            target: uint8 RGB clips of the reference set, of any number, length and size.

        Raises:
            MetricError: One of the errors of `features_of`.
        """
        sides = [None if clips is None else self.features_of(clips) for clips in (preds, target)]
        self._add(*sides)

    def update_features(self, features: Any = None, reference_features: Any = None) -> None:
        """Add clips whose features are known already, as `features_of` gave them; all of them, or on an error none.

        Args:
            features: Rows of clips to be judged, shape (n, width).
            reference_features: Rows of clips of the reference set, shape (m, width).

        Raises:
            FeatureError: No real numbers, another width, or NaN or infinity; names the row.
        """
        names = ("features", "reference features")
        sides = [
            None if rows is None else self._checked(torch.from_numpy(float64_array(rows)), name)
            for name, rows in zip(names, (features, reference_features), strict=True)
        ]
        self._add(*sides)
        self._update_count += 1
        self._computed = None

    def compute(self) -> Float64[Tensor, ""]:
        """The distance, float64.

        Warns:
            MetricWarning: There are few clips, or fewer than the distance needs.

        Raises:
            UndefinedScoreError: A side has fewer than two clips.
        """
        features, reference = self._rows()
        caution = self.distance.caution(len(features), len(reference), self.width)
        if caution:
            sizes = f"{len(features)} clips against {len(reference)}"
            warnings.warn(f"{self.card.name} of {sizes}: {caution}", MetricWarning, stacklevel=3)
        return torch.tensor(self.distance(features, reference), dtype=torch.float64)

    def floor(self, *, rng: np.random.Generator, splits: int = 4) -> Floor:
        """Real against real: the distance between two disjoint parts of the reference, at the value's n if it can be.

        Raises:
            UndefinedScoreError: The reference has fewer than 4 clips.
        """
        with self._all_processes():
            features, reference = self._rows()
            return real_against_real(self.distance, reference, n=len(features), rng=rng, splits=splits)

    def interval(self, *, rng: np.random.Generator, draws: int = 200, level: float = 0.95) -> Interval:
        """Bootstrap interval of the value over clips, of the reference over pairs, within the card's range.

        See `metrics.functional.resampling.bootstrap_interval`.

        Raises:
            UndefinedScoreError: A side has fewer than two clips.
        """
        with self._all_processes():
            features, reference = self._rows()
            pairs = range(len(reference)) if self.distance.paired else None
            options: dict[str, Any] = {"reference_units": pairs, "draws": draws, "level": level}
            found = bootstrap_interval(self.distance, features, reference, rng=rng, **options)
        return found.within(self.card.range)

    def forward(self, *args: Any, **kwargs: Any) -> None:
        """As `update`: a batch has no distance of its own that could be averaged."""
        self.update(*args, **kwargs)

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Take in the clips of another object of this metric.

        Raises:
            MetricError: It has another id.
        """
        if isinstance(incoming_state, Metric) and getattr(incoming_state, "card", None) != self.card:
            other = getattr(getattr(incoming_state, "card", None), "id", type(incoming_state).__name__)
            raise MetricError(f"only equal metrics can be merged, got {other} for {self.card.id}")
        super().merge_state(incoming_state)
        self._state_came()

    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        features, reference = self._sides(paired=self.distance.paired)
        if min(len(features), len(reference)) < 2:
            raise UndefinedScoreError(
                f"{self.card.name} compares at least 2 clips with at least 2 of a reference, "
                f"got {len(features)} and {len(reference)}",
                hint="give both sides: update(preds, target), or update(target=...) for the reference alone",
            )
        if self.distance.paired and len(features) != len(reference):
            raise UndefinedScoreError(
                f"{self.card.name} compares pairs, got {len(features)} clips and {len(reference)} originals"
            )
        return features, reference


def backbone_card(family: str, backbone: Any, *, policy: str = "", **fields: Any) -> MetricCard:
    """The card of a family of metrics on one backbone; `policy` is what the options add to that of the features."""
    texts: Mapping[str, Any] = {"direction": "lower", "unit": "", "level": "set", "needs": ("reference",)}
    return MetricCard(
        **{
            **texts,
            "name": f"{family}_{re.sub('[^a-z0-9.]', '_', backbone.name.lower())}",
            "policy": "-".join(part for part in (backbone.policy, policy) if part),
            "backbone": backbone.name,
            "weights_hash": backbone.weights_hash,
            "family": "distribution",
            **fields,
        }
    )
