"""How every metric answers to clips that are damaged on purpose, and whether that is what it promises.

What a metric promises stands in its card (`responses`). What it does not promise is measured all the same, so that a
table shows what it is blind to.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from stepbench.validity.graded import CORRUPTIONS, FPS, BuiltInClip, damaged

Observation = Literal["up", "down", "same", "mixed", "undefined"]
Verdict = Literal["ok", "failed", "measured"]

SAME = 0.1
"""A mean that moves by less than this share of the spread between clean clips counts as unmoved."""
SAME_OF_MEAN = 0.01
"""The same as a share of the clean mean, where clean clips do not differ."""
SAME_OF_LARGEST = 1e-4
"""The same for metrics of sets, as a share of the largest value that any corruption gives."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One metric and one corruption.

    Attributes:
        amounts: Of the corruption, growing.
        clean: Mean over undamaged clips; NaN where the metric is undefined.
        means: Mean at each amount, over the clips on which the metric is defined at all of them.
        clips: How many those are; all of them for a metric of sets.
        observed: What the value did.
        promised: What the metric says it does; None where it says nothing.
        seconds_per_clip: Time that the undamaged clips took, on one thread if the caller has set that.
        reason: Why it is undefined, else empty.
    """

    metric: str
    corruption: str
    amounts: tuple[float, ...]
    clean: float
    means: tuple[float, ...]
    clips: int
    observed: Observation
    promised: str | None
    seconds_per_clip: float
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """`measured` where nothing was promised."""
        if self.promised is None:
            return "measured"
        return "ok" if self.promised == self.observed else "failed"


def answers_of(metric: Any, clips: Sequence[BuiltInClip]) -> Iterator[Answer]:
    """Measure a metric's answers to all corruptions that can concern it.

    Args:
        metric: An object as `metrics.build` gives it, of one value per clip or per set.
        clips: Undamaged ones.
    """
    values = _values_of_set if metric.card.level == "set" else _values_of_clips
    values(metric, clips[:1])  # a first call may load or compile something
    began = time.perf_counter()
    clean, _ = values(metric, clips)
    seconds = (time.perf_counter() - began) / len(clips)
    found, reasons = {}, {}
    for corruption, amounts in CORRUPTIONS.items():
        if corruption == "wrong-prompt" and not {"prompt", "ground_truth"} & set(metric.card.needs):
            continue
        rungs = [values(metric, [damaged(clip, corruption, amount) for clip in clips]) for amount in amounts]
        found[corruption] = np.stack([clean, *(numbers for numbers, _ in rungs)])
        reasons[corruption] = next((reason for _, reason in rungs if reason), "")
    tolerance = _tolerance(metric, clean, found.values())
    for corruption, rungs in found.items():
        yield _answer(metric, corruption, rungs, tolerance, seconds, reasons[corruption])


def _tolerance(metric: Any, clean: np.ndarray, found: Iterable[np.ndarray]) -> float:
    if metric.card.level == "set":
        return SAME_OF_LARGEST * float(np.nanmax([np.nanmax(rungs) for rungs in found]))
    defined = clean[~np.isnan(clean)]
    spread = float(defined.std()) if len(defined) else 0.0
    return SAME * spread or SAME_OF_MEAN * float(np.abs(defined).mean() if len(defined) else 0.0)


def _answer(metric: Any, corruption: str, rungs: np.ndarray, tolerance: float, seconds: float, reason: str) -> Answer:
    """`rungs`: values (1 + amounts, clips), NaN where undefined."""
    defined = ~np.isnan(rungs).any(axis=0)
    means = rungs[:, defined].mean(axis=1) if defined.any() else np.full(len(rungs), math.nan)
    return Answer(
        metric=metric.card.name,
        corruption=corruption,
        amounts=CORRUPTIONS[corruption],
        clean=float(means[0]),
        means=tuple(map(float, means[1:])),
        clips=int(defined.sum()),
        observed=_observed(means, tolerance) if defined.any() else "undefined",
        promised=metric.card.responses.get(corruption),
        seconds_per_clip=seconds,
        reason="" if defined.all() else reason,
    )


def _observed(means: np.ndarray, tolerance: float) -> Observation:
    if np.abs(means[1:] - means[0]).max() <= tolerance:
        return "same"
    steps = np.diff(means)
    if (steps > 0).all():
        return "up"
    return "down" if (steps < 0).all() else "mixed"


def _values_of_clips(metric: Any, clips: Sequence[BuiltInClip]) -> tuple[np.ndarray, str]:
    """One value per clip, NaN where there is none, and why."""
    from metrics.errors import MetricError

    values, reason = [], ""
    for clip in clips:
        try:
            values.append(metric.checked_score(_view(clip)))
        except MetricError as error:
            values.append(math.nan)
            reason = reason or error.message
    return np.array(values), reason


def _values_of_set(metric: Any, clips: Sequence[BuiltInClip]) -> tuple[np.ndarray, str]:
    """One value, as an array of one, and why it is NaN."""
    from metrics.errors import MetricError

    metric.reset()
    try:
        metric.update(_batch(clips, lambda clip: clip.frames), _batch(clips, lambda clip: clip.original))
        return np.array([float(metric.compute())]), ""
    except MetricError as error:
        return np.array([math.nan]), error.message


def _view(clip: BuiltInClip) -> Any:
    from metrics.view import ClipView

    return ClipView(
        torch.from_numpy(clip.frames.copy()),
        torch.from_numpy(clip.original.copy()),
        clip.prompt,
        clip.scene.to_json(),
        FPS,
    )


def _batch(clips: Sequence[BuiltInClip], frames: Callable[[BuiltInClip], np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack([frames(clip) for clip in clips]))
