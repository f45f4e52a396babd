"""Many metrics of one clip that arrives in chunks: no more of it is held than a metric needs at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from metrics.backbones.clip_sampling import frames_seen
from metrics.base import ClipMetric
from metrics.errors import ClipError
from metrics.frame_feed import FrameFeed, Part
from metrics.frame_metric import FrameMetric
from metrics.functional.checks import check_clip, check_same_shape
from metrics.scoring import ClipScore, scored
from metrics.set_metric import SetMetric
from metrics.view import ClipView


class _Plan(NamedTuple):
    """How a metric is fed; metrics of one plan share views. The fields are those of `FrameFeed`, and the device."""

    seen: Sequence[int] | None
    at_once: int | None
    whole: bool
    device: str


@dataclass(eq=False)
class _Track:
    """A metric on its way through the clip."""

    metric: ClipMetric | SetMetric
    plan: _Plan | None = None
    measured: list[np.ndarray] = field(default_factory=list)
    view: ClipView | None = None
    error: Exception | None = None


class ClipStream:
    """Scores one clip chunk by chunk, with the values that `score_view` gives for all of it.

    A metric may look at few frames of a clip, and which ones depends on how many there are: that is told beforehand.
    Where `told_right` is false in the end, it was not so, and the clip has to be read once more by another object.

    Args:
        metrics: Metric objects by whatever key the caller wants back.
        sets: Set metrics, likewise: of the clip they are to see `frames_of`.
        frames: How many frames the clip has.
        prompt: The text that the clip was made from.
        ground_truth: What a correct clip shows, in the terms of the suite's world.
        fps: Frames per second, where known.
        device: Where networks compute; what is no network is given frames on the CPU.

    Attributes:
        frames: How many frames have come.

    Example:
        >>> import metrics, torch
        >>> stream = metrics.ClipStream({"flicker": metrics.build("flicker")}, frames=60, fps=8)
        >>> for chunk in torch.full((60, 3, 16, 16), 90, dtype=torch.uint8).split(7):
        ...     stream.add(chunk)
        >>> stream.scores()["flicker"].value
        0.0
    """

    def __init__(
        self,
        metrics: Mapping[str, ClipMetric],
        *,
        frames: int,
        sets: Mapping[str, SetMetric] | None = None,
        prompt: str | None = None,
        ground_truth: Mapping[str, Any] | None = None,
        fps: float | None = None,
        device: str = "cpu",
    ) -> None:
        self.frames = 0
        self._told = frames
        self._about: dict[str, Any] = {"prompt": prompt, "ground_truth": ground_truth, "fps": fps}
        self._device = device
        self._size: tuple[int, ...] = ()
        self._reference_frames = 0
        self._reference_size: tuple[int, ...] = ()
        self._paired = True
        self._tracks = {key: _Track(metric) for key, metric in metrics.items()}
        self._sets = {key: _Track(metric) for key, metric in (sets or {}).items()}
        self._feeds: dict[_Plan, FrameFeed] = {}
        self._carried: dict[int, Any] = {}

    @property
    def told_right(self) -> bool:
        """Whether as many frames have come as were told, or no metric depends on it."""
        tracks = (*self._tracks.values(), *self._sets.values())
        return self.frames == self._told or all(track.plan and track.plan.seen is None for track in tracks)

    def add(self, frames: UInt8[Tensor, "t 3 h w"] | None, reference: UInt8[Tensor, "s 3 y x"] | None = None) -> None:
        """Take in the next frames of the clip, and as many of its reference where there is one.

        Args:
            frames: None where the clip has ended before its reference.
            reference: None where there is none, or where it has ended before the clip.

        Raises:
            ClipError: One of them is not uint8 (t, 3, h, w), or its size changes.
        """
        if reference is not None:
            self._reference_size = _checked_size(reference, self._reference_size)
            self._reference_frames += len(reference)
        if frames is None:
            return
        self._size = _checked_size(frames, self._size)
        if not self.frames:
            self._make_feeds()
        self.frames += len(frames)
        # Once out of step, what compares the two has no value; `scores` says why.
        self._paired &= reference is not None and reference.shape == frames.shape
        for plan, feed in self._feeds.items():
            self._measure(plan, feed.add(frames, reference if self._paired and self._compares(plan) else None))

    def scores(self) -> dict[str, ClipScore]:
        """One score per metric, once all frames have come. A metric that fails costs its own score alone."""
        self._finish()
        return {key: scored(partial(self._score, track)) for key, track in self._tracks.items()}

    def frames_of(self, key: str) -> UInt8[Tensor, "seen 3 h w"]:
        """What a set metric is to see of the clip, on the CPU, once all frames have come.

        Raises:
            MetricError: The metric cannot say what it needs; or whatever else it raised.
        """
        self._finish()
        track = self._sets[key]
        if track.error is not None:
            raise track.error
        assert track.view is not None
        return track.view.frames

    def _finish(self) -> None:
        for plan, feed in self._feeds.items():
            self._measure(plan, feed.rest())

    def _make_feeds(self) -> None:
        for track in [*self._tracks.values(), *self._sets.values()]:
            try:
                track.plan = plan = self._plan(track.metric)
            except Exception as error:  # noqa: BLE001 - one broken metric must not lose the other scores of the clip
                track.error = error
            else:
                self._feeds.setdefault(plan, FrameFeed(plan.seen, at_once=plan.at_once, whole=plan.whole))

    def _plan(self, metric: ClipMetric | SetMetric) -> _Plan:
        seen = frames_seen(metric, self._told)
        seen = None if len(seen) == self._told else tuple(seen)
        at_once = metric.frames_at_once(*self._size[1:]) if isinstance(metric, FrameMetric) else None
        chunks = isinstance(metric, FrameMetric) and at_once is None
        network = isinstance(metric, ClipMetric) and metric.card.backbone is not None and not chunks
        return _Plan(seen, at_once, not isinstance(metric, FrameMetric), self._device if network else "cpu")

    def _compares(self, plan: _Plan) -> bool:
        return any(track.plan == plan and "reference" in track.metric.card.needs for track in self._tracks.values())

    def _of(self, plan: _Plan) -> list[_Track]:
        tracks = (*self._tracks.values(), *self._sets.values())
        return [track for track in tracks if track.plan == plan and track.error is None]

    def _measure(self, plan: _Plan, parts: Iterable[Part]) -> None:
        for part in parts:
            view = self._view(part, plan.device)
            tracks = self._of(plan)
            for track in tracks:
                track.view = view  # all of them first, which lets go of what was derived from the part before
            for track in tracks:
                if isinstance(track.metric, FrameMetric):
                    try:
                        track.measured.append(track.metric.measure(view))
                    except Exception as error:  # noqa: BLE001 - as above
                        track.error = error

    def _view(self, part: Part, device: str) -> ClipView:
        frames, reference, previous = (
            None if one is None else one.to(device) for one in (part.frames, part.reference, part.previous)
        )
        assert frames is not None
        return ClipView(frames, reference, **self._about, start=part.start, previous=previous, carried=self._carried)

    def _score(self, track: _Track) -> tuple[float, str]:
        metric, shape = track.metric, (self.frames, *self._size)
        if not isinstance(metric, ClipMetric):
            # Metrics of other packages need not derive from it: these see the whole clip, and check it themselves.
            return _of_whole(metric, track.view)
        metric.check_length(self.frames)
        given = {name for name, value in self._about.items() if value is not None}
        metric.check_needs(given | ({"reference"} if self._reference_frames else set()))
        if "reference" in metric.card.needs:
            check_same_shape(shape, (self._reference_frames, *self._reference_size))
        if track.error is not None:
            raise track.error
        assert track.view is not None
        if isinstance(metric, FrameMetric):
            value = metric.summarise(np.concatenate(track.measured), track.view)
        else:
            value = metric.score(track.view)
        return metric.checked_value(value, shape), metric.note(track.view)


def _of_whole(metric: Any, view: ClipView | None) -> tuple[float, str]:
    return metric.checked_score(view), metric.note(view)


def _checked_size(frames: Tensor, size: tuple[int, ...]) -> tuple[int, ...]:
    check_clip(frames)
    found = tuple(frames.shape[1:])
    if size and found != size:
        raise ClipError(f"all frames of a clip have one size, got {found} after {size}")
    return found
