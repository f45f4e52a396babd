"""The base of every metric that gives one value per clip: checks on the way in, a mean on the way out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.card import MetricCard
from metrics.errors import MetricError, MissingInputError, UndefinedScoreError
from metrics.functional.checks import check_batch, check_length, check_pair
from metrics.state_identity import NOBODY, identity_number, one_identity
from metrics.torchmetrics_base import Metric
from metrics.view import ClipView


class ClipMetric(Metric, ABC):
    """Mean over clips of a value per clip.

    A subclass states its `card` and writes `score`. State is a float64 sum and a count, so any split of the clips over
    batches, shards or processes gives the same mean, and the number of the card's id, so that states of unequal ids are
    never joined.

    Attributes:
        card: The metric's identity and meaning. An object whose options change its numbers has a card of its own, with
            another id.
        min_frames: Frames a clip must have for the metric to be defined.
        companions: Names of metrics that a value must not be read without; scoring a run adds them.
        options_of_a_run: Options that scoring a run fills in: `distractors`, the prompts of the whole run.
    """

    card: MetricCard
    min_frames: ClassVar[int] = 1
    companions: ClassVar[tuple[str, ...]] = ()
    options_of_a_run: ClassVar[tuple[str, ...]] = ()

    is_differentiable = False
    full_state_update = False

    total: Float64[Tensor, ""]
    count: Tensor
    identity: Tensor

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take `higher_is_better` from the card, so that it is said once."""
        super().__init_subclass__(**kwargs)
        if "card" in cls.__dict__:
            cls.higher_is_better = {"higher": True, "lower": False, "neutral": None}[cls.card.direction]

    def __init__(self, **kwargs: Any) -> None:
        """Take the options of `torchmetrics.Metric` as keywords."""
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("identity", torch.tensor(NOBODY), dist_reduce_fx=one_identity)

    @abstractmethod
    def score(self, view: ClipView) -> float:
        """The value of one clip. Inputs named by the card are present and of the right shape."""

    def frames_seen(self, frames: int) -> Sequence[int]:
        """Which frames of a clip of so many count, in rising order; all of them, unless a subclass says less.

        A view of these frames alone must have the value of the whole clip: then scoring a run holds no others.
        """
        return range(frames)

    def note(self, view: ClipView) -> str:
        """What a person should know beside the value of a clip that has one; usually nothing."""
        return ""

    def checked_score(self, view: ClipView) -> float:
        """The value of one clip, after checking what goes in and what comes out.

        Raises:
            ClipError: The clip has too few frames, or its reference has another shape.
            MissingInputError: The card needs something that the view lacks.
            UndefinedScoreError: The metric has no finite value on this clip.
        """
        self.check_length(len(view.frames))
        self.check_needs({need for need in _ARGUMENT_OF if getattr(view, need) is not None})
        if "reference" in self.card.needs and view.reference is not None:
            check_pair(view.frames, view.reference)
        return self.checked_value(self.score(view), view.frames.shape)

    def check_length(self, frames: int) -> None:
        """Refuse a clip of too few frames.

        Raises:
            ClipError: Naming both numbers.
        """
        check_length(frames, self.min_frames, self.card.name)

    def check_needs(self, given: Collection[str]) -> None:
        """Refuse a clip that comes without what the card needs.

        Raises:
            MissingInputError: Naming what it lacks.
        """
        for need in self.card.needs:
            if need not in given:
                raise MissingInputError(
                    f"{self.card.name} needs a {need.replace('_', ' ')} for every clip, and got none",
                    hint=f"give update() its `{_ARGUMENT_OF[need]}`, or leave {self.card.name} out",
                )

    def checked_value(self, score: float, shape: Sequence[int]) -> float:
        """The value of a clip of this shape.

        Raises:
            UndefinedScoreError: It is not finite.
        """
        value = float(score)
        if not math.isfinite(value):
            raise UndefinedScoreError(f"{self.card.name} is {value} on a clip of shape {tuple(shape)}")
        return value

    def update(
        self,
        preds: UInt8[Tensor, "b t 3 h w"],
        target: UInt8[Tensor, "b t 3 h w"] | None = None,
        *,
        prompts: Sequence[str] | None = None,
        ground_truth: Sequence[Mapping[str, Any]] | None = None,
        fps: float | Sequence[float] | None = None,
    ) -> None:
        """Add a batch of clips; all of it, or on an error none of it.

        Args:
            preds: uint8 RGB clips.
            target: Reference clips, same shape as `preds`.
            prompts: One text per clip.
            ground_truth: One description per clip.
            fps: Frames per second, of the whole batch or one per clip.

        Raises:
            MetricError: One of the errors of `checked_score`, or inputs of unequal length.
        """
        check_batch(preds)
        views = list(_views(preds, target, prompts=prompts, ground_truth=ground_truth, fps=fps))
        values = [self.checked_score(view) for view in views]
        self.remember(views)
        self.total = self.total + math.fsum(values)
        self.count = self.count + len(values)
        if values:
            self.identity = torch.full_like(self.identity, identity_number(self.card.id))

    def remember(self, views: Sequence[ClipView]) -> None:
        """Keep more than the values of clips that were accepted."""

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Take in the clips of another object of this metric.

        Raises:
            MetricError: It has another id.
        """
        other = getattr(incoming_state, "card", self.card)
        if other.id != self.card.id:
            raise MetricError(f"only equal metrics can be merged, got {other.id} for {self.card.id}")
        super().merge_state(incoming_state)
        self._state_came()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        saved = state_dict.get(prefix + "identity")
        if saved is not None and int(saved) not in (NOBODY, identity_number(self.card.id)):
            raise MetricError(
                f"the saved state is not one of {self.card.id}", hint="build the metric with the options it had then"
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._state_came()

    def _state_came(self) -> None:
        """Forget the value that torchmetrics keeps, and count the clips that came without `update`."""
        self._computed = None
        self._update_count = max(self._update_count, int(self.count > 0))

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> ClipMetric:
        # Along to another device, but never to another precision: a model may be cast to half with its metrics.
        super()._apply(lambda one: one.to(fn(one.new_zeros(0)).device), exclude_state)
        return self

    @classmethod
    def check_available(cls) -> None:
        """See, without loading anything, that what the metric needs beside the clips is on this machine.

        Raises:
            UnavailableMetricError: It is not; the hint is the command that brings it.
        """

    def compute(self) -> Float64[Tensor, ""]:
        """Mean over all clips seen, float64.

        Raises:
            UndefinedScoreError: No clip was seen.
        """
        if self.count == 0:
            raise UndefinedScoreError(f"{self.card.name} has seen no clip", hint="call update() before compute()")
        return self.total / self.count


_ARGUMENT_OF = {"reference": "target", "prompt": "prompts", "ground_truth": "ground_truth"}


def _views(
    preds: Tensor,
    target: Tensor | None,
    *,
    prompts: Sequence[str] | None,
    ground_truth: Sequence[Mapping[str, Any]] | None,
    fps: float | Sequence[float] | None,
) -> Iterator[ClipView]:
    clips = len(preds)
    one_rate = fps is not None and (not hasattr(fps, "__len__") or getattr(fps, "ndim", 1) == 0)
    rates = [fps] * clips if one_rate else fps
    given = {"target": target, "prompts": prompts, "ground_truth": ground_truth, "fps": rates}
    for name, values in given.items():
        if values is not None and (isinstance(values, (str, Mapping)) or not hasattr(values, "__len__")):
            raise MetricError(
                f"{name} holds one entry per clip, got a single {type(values).__name__}",
                hint=f"give a list, or wrap a single one in it: {name}=[...]",
            )
        if values is not None and len(values) != clips:
            raise MetricError(f"{name} holds one entry per clip: {clips} clips, but {len(values)} entries")
    # By iteration, not by index: a pandas series that was filtered or shuffled counts by its labels.
    columns = [[None] * clips if values is None else values for values in given.values()]
    for frames, reference, prompt, truth, rate in zip(preds, *columns, strict=True):
        yield ClipView(frames, reference, prompt, truth, rate)
