"""The base of every metric that gives one value per set of clips: features on the way in, a distance on the way out."""

from __future__ import annotations

import hashlib
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor
from torchmetrics import Metric

from metrics.backbones.protocol import VideoBackbone
from metrics.card import MetricCard
from metrics.clip_features import Handle
from metrics.errors import FeatureError, MetricError, MetricWarning, UndefinedScoreError
from metrics.functional.checks import check_batch
from metrics.functional.resampling import Floor, Interval, bootstrap_interval, real_against_real
from metrics.set_distance import SetDistance

SIDES = ("features", "reference_features")


class SetMetric(Metric, ABC):
    """A distance between a set of clips and a reference set, computed from the features of every clip.

    A subclass writes `card_for` and `distance_for`, whose keywords are its options. State is the features, one float32
    row per clip; before anything is computed the rows are put in an order of their own, so any split of the clips over
    batches, shards or processes, in any order, gives the same bits.

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
    full_state_update = False
    higher_is_better = False

    features: list[Tensor]
    reference_features: list[Tensor]
    identity: Tensor

    def __init__(self, backbones: Sequence[Handle], options: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.options: dict[str, Any] = dict(options or {})
        self._handles = tuple(backbones)
        self.distance: SetDistance = self.distance_for(**self.options)
        seen_by = self._clip_backbone("cpu")
        self.card: MetricCard = self.card_for(seen_by, **self.options)
        self.feature_id: str = ":".join((seen_by.name, seen_by.weights_hash, seen_by.policy))
        self.width: int = seen_by.dimensions
        for side in SIDES:
            self.add_state(side, [], dist_reduce_fx="cat")
        self.add_state("identity", torch.tensor(_number(self.feature_id)), dist_reduce_fx=_same_identity)

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

    def _clip_backbone(self, device: torch.device | str) -> VideoBackbone:
        """The backbone as one that gives one row per clip."""
        return self._handles[0].on(device)

    def features_of(self, clips: UInt8[Tensor, "batch time 3 height width"]) -> Float32[Tensor, "batch dimensions"]:
        """One finite row per clip, as the states keep it.

        Raises:
            ClipError: No uint8 batch, or clips with too few frames for the policy.
            FeatureError: The backbone gave NaN or infinity; names the clip.
        """
        check_batch(clips)
        if not len(clips):
            return torch.zeros(0, self.width)
        return self._checked(self._clip_backbone(self.device).features(clips), "clips")

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
            FeatureError: Another width, or NaN or infinity; names the row.
        """
        names = ("features", "reference features")
        sides = [
            None if rows is None else self._checked(torch.as_tensor(rows), name)
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
        """Bootstrap interval of the value over clips, within the card's range.

        See `metrics.functional.resampling.bootstrap_interval`.

        Raises:
            UndefinedScoreError: A side has fewer than two clips.
        """
        with self._all_processes():
            features, reference = self._rows()
            options: dict[str, Any] = {"paired": self.distance.paired, "draws": draws, "level": level}
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
        if isinstance(incoming_state, Metric):
            if getattr(incoming_state, "card", None) != self.card:
                other = getattr(getattr(incoming_state, "card", None), "id", type(incoming_state).__name__)
                raise MetricError(f"only equal metrics can be merged, got {other} for {self.card.id}")
            self._update_count += incoming_state.update_count
        super().merge_state(incoming_state)
        self._computed = None

    def state_dict(
        self, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """The persistent states (`metric.persistent(True)` makes them so), every one a single tensor.

        So it can be kept as safetensors, and read back without unpickling.
        """
        state = super().state_dict(destination, prefix=prefix, keep_vars=keep_vars)
        for side in SIDES:
            if prefix + side in state:
                state[prefix + side] = self._joined(side)
        return state

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        saved = state_dict.get(prefix + "identity")
        if saved is not None and int(saved) != _number(self.feature_id):
            raise MetricError(
                f"the saved features are not those of {self.feature_id}",
                hint="build the metric with the backbone, weights and options that it had then",
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
        for side in SIDES:
            rows = getattr(self, side)
            if isinstance(rows, Tensor):
                setattr(self, side, [rows] if len(rows) else [])
        self._update_count = max(self._update_count, int(any(getattr(self, side) for side in SIDES)))
        self._computed = None

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> SetMetric:
        super()._apply(fn, exclude_state=(*exclude_state, *SIDES))
        for side in SIDES:
            # Along to another device, but never to another precision: a model may be cast to half with its metrics.
            rows = [one.to(fn(one[:0]).device) for one in getattr(self, side)]
            setattr(self, side, rows)
        return self

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:
        for side in SIDES:
            # A process without clips must send a matrix too, or the others cannot put theirs beside it.
            setattr(self, side, [self._joined(side)])
        super()._sync_dist(*args, **kwargs)

    @contextmanager
    def _all_processes(self) -> Iterator[None]:
        syncing = self._to_sync and not self._is_synced
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=syncing, should_unsync=syncing):
            yield

    def _add(self, features: Tensor | None, reference: Tensor | None) -> None:
        for side, rows in zip(SIDES, (features, reference), strict=True):
            if rows is not None and len(rows):
                getattr(self, side).append(rows.to(self.device))

    def _checked(self, rows: Tensor, what: str) -> Float32[Tensor, "batch dimensions"]:
        rows = rows.detach().to("cpu", torch.float32)
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise FeatureError(f"{what} of {self.card.name} have shape (n, {self.width}), got {tuple(rows.shape)}")
        bad = np.flatnonzero(~torch.isfinite(rows).all(dim=1).numpy())
        if len(bad):
            raise FeatureError(
                f"{what}: the features hold NaN or infinity for {len(bad)} of {len(rows)}, the first at index {bad[0]}",
                hint="look at that clip and at what the backbone was fed for it",
            )
        return rows

    def _joined(self, side: str) -> Float32[Tensor, "n dimensions"]:
        rows = getattr(self, side)
        if isinstance(rows, Tensor):
            return rows
        return torch.cat(rows) if rows else torch.zeros(0, self.width, device=self.device)

    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Both sides in an order that depends on their content alone; pairs stay together."""
        sides = [self._joined(side).cpu().numpy() for side in SIDES]
        if min(map(len, sides)) < 2:
            raise UndefinedScoreError(
                f"{self.card.name} compares at least 2 clips with at least 2 of a reference, "
                f"got {len(sides[0])} and {len(sides[1])}",
                hint="give both sides: update(preds, target), or update(target=...) for the reference alone",
            )
        if self.distance.paired:
            if len(sides[0]) != len(sides[1]):
                raise UndefinedScoreError(
                    f"{self.card.name} compares pairs, got {len(sides[0])} clips and {len(sides[1])} originals"
                )
            order = _content_order(np.concatenate(sides, axis=1))
            return sides[0][order], sides[1][order]
        return sides[0][_content_order(sides[0])], sides[1][_content_order(sides[1])]


def _content_order(rows: np.ndarray) -> np.ndarray:
    whole = np.ascontiguousarray(rows)
    return np.argsort(whole.view(np.dtype((np.void, whole.strides[0]))).ravel(), kind="stable")


def _number(identity: str) -> int:
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") >> 1


def _same_identity(identities: Tensor) -> Tensor:
    if not bool((identities == identities[0]).all()):
        raise MetricError("features of different backbones, weights or policies cannot be merged")
    return identities[0]


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
