"""The properties that every clip metric has to show, each written once.

A metric enters with a `Subject`; `test_metric_laws.py` applies every law to every subject.
"""

from __future__ import annotations

import copy
import io
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import clips
import pytest
import torch
from torch import Tensor

import metrics
from metrics import ClipMetric, ClipStream, ClipView, MetricError
from metrics.errors import UndefinedScoreError

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """A corruption in growing amounts, and which way the value must go, strictly, at every step."""

    corrupt: Callable[[Tensor, float], Tensor]
    amounts: tuple[float, ...]
    rises: bool


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One metric and what is true of it.

    Attributes:
        ideal: A clip that has the value `ideal_value`; it is its own reference.
        symmetric: Whether clip and reference may change places.
        ladders: Corruptions by name.
        ignores: Changes, made to clip and reference alike, that leave the value as it is, each with a tolerance
            relative to the value.
        example: Clips, by number, that the metric is defined on.
        clean: What the ladders start from; an example where nothing else is said.
        disturb: A corruption, by strength in levels, after which it still is.
    """

    name: str
    ideal: Tensor
    ideal_value: float
    symmetric: bool = False
    ladders: Mapping[str, Ladder] = field(default_factory=dict)
    ignores: Mapping[str, tuple[Change, float]] = field(default_factory=dict)
    example: Callable[[int], Tensor] = clips.example
    clean: Tensor | None = None
    disturb: Callable[[Tensor, float], Tensor] = clips.with_noise

    def build(self) -> ClipMetric:
        return metrics.build(self.name)

    @property
    def needs_reference(self) -> bool:
        return "reference" in metrics.describe(self.name).needs

    def disturbed_and_clean(self) -> tuple[Tensor, Tensor]:
        """A batch of three different clips and the batch that it was made from."""
        clean = [self.example(index) for index in range(3)]
        disturbed = [self.disturb(clip, 3.0 * (1 + index)) for index, clip in enumerate(clean)]
        return torch.stack(disturbed), torch.stack(clean)

    def value(self, preds: Tensor, target: Tensor | None = None) -> float:
        """Mean over a batch, by a fresh metric."""
        metric = self.build()
        metric.update(preds, target if self.needs_reference else None)
        return float(metric.compute())


def identity(subject: Subject) -> None:
    ideal = subject.ideal[None]
    assert subject.value(ideal, ideal) == pytest.approx(subject.ideal_value, abs=1e-6)


def symmetry(subject: Subject) -> None:
    if subject.symmetric:
        a, b = subject.example(0)[None], subject.disturb(subject.example(4), 12)[None]
        assert subject.value(a, b) == pytest.approx(subject.value(b, a), rel=1e-6)


def agreement_with_the_function(subject: Subject) -> None:
    """The class is the mean of what `metrics.functional` gives per clip, where it has the formula."""
    preds, target = subject.disturbed_and_clean()
    function = getattr(metrics.functional, subject.name, None)
    if function is None:
        return
    per_clip = function(preds, target) if subject.needs_reference else function(preds)
    assert per_clip.shape == (len(preds),)
    assert per_clip.dtype == torch.float64
    assert subject.value(preds, target) == pytest.approx(float(per_clip.mean()), rel=1e-12)


def batches_and_order(subject: Subject) -> None:
    preds, target = subject.disturbed_and_clean()
    together = subject.value(preds, target)
    for order in ([0, 1, 2], [2, 0, 1]):
        one_by_one = subject.build()
        for index in order:
            pair = preds[index : index + 1], target[index : index + 1]
            one_by_one.update(pair[0], pair[1] if subject.needs_reference else None)
        assert float(one_by_one.compute()) == pytest.approx(together, rel=1e-12)


def parts_of_a_clip(subject: Subject) -> None:
    """However a clip is divided, its parts have the value of the whole, bit for bit."""
    preds, target = (side[1] for side in subject.disturbed_and_clean())
    reference = target if subject.needs_reference else None
    metric = subject.build()
    whole = metrics.score_view(ClipView(preds, reference, fps=30), {"": metric})
    for size in (1, 2, 7):
        stream = ClipStream({"": metric}, frames=len(preds), fps=30)
        for start in range(0, len(preds), size):
            part = slice(start, start + size)
            stream.add(preds[part], None if reference is None else reference[part])
        assert stream.scores() == whole, f"{subject.name} in parts of {size}"


def shards_merge(subject: Subject) -> None:
    """Uneven shards, one of them empty, merge into the value of one run."""
    preds, target = subject.disturbed_and_clean()
    shards = []
    for chosen in (slice(0, 2), slice(2, 2), slice(2, 3)):
        shard = subject.build()
        shard.update(preds[chosen], target[chosen] if subject.needs_reference else None)
        shards.append(shard)
    merged = shards[0]
    merged.merge_state(shards[1])
    merged.merge_state(shards[2])
    assert float(merged.compute()) == pytest.approx(subject.value(preds, target), rel=1e-12)


def merging_after_a_value_was_read(subject: Subject) -> None:
    """The value is not the one that was read before, and an object that only merged counts as updated."""
    preds, target = subject.disturbed_and_clean()
    shards = []
    for chosen in (slice(0, 1), slice(1, 3)):
        shard = subject.build()
        shard.update(preds[chosen], target[chosen] if subject.needs_reference else None)
        shard.compute()
        shards.append(shard)
    empty = subject.build()
    for shard in shards:
        empty.merge_state(shard)
    shards[0].merge_state(shards[1])
    whole = subject.value(preds, target)
    assert float(shards[0].compute()) == pytest.approx(whole, rel=1e-12)
    assert float(empty.compute()) == pytest.approx(whole, rel=1e-12)


def life_in_a_training_loop(subject: Subject) -> None:
    """Copied, cast with its model, saved and read back, reset: the clips go on to count as they did."""
    preds, target = subject.disturbed_and_clean()
    pair = preds, target if subject.needs_reference else None
    whole = subject.value(preds, target)

    def after(change: Callable[[ClipMetric], ClipMetric]) -> float:
        metric = subject.build()
        metric.update(*(side if side is None else side[:1] for side in pair))
        metric.compute()
        metric = change(metric)
        metric.update(*(side if side is None else side[1:] for side in pair))
        assert metric.compute().dtype == torch.float64
        return float(metric.compute())

    def cast_with_its_model(metric: ClipMetric) -> ClipMetric:
        model = torch.nn.ModuleDict({"layer": torch.nn.Linear(1, 1), "metric": metric}).to(torch.float16)
        assert next(model.parameters()).dtype == torch.float16
        return metric

    def saved_and_read_back(metric: ClipMetric) -> ClipMetric:
        metric.persistent(True)
        file = io.BytesIO()
        torch.save(metric.state_dict(), file)
        file.seek(0)
        other = subject.build()
        other.persistent(True)
        other.load_state_dict(torch.load(file, weights_only=True))
        assert float(other.compute()) == float(metric.compute())
        return other

    def used_again(metric: ClipMetric) -> ClipMetric:
        metric.reset()
        metric.update(*(side if side is None else side[:1] for side in pair))
        return metric

    for change in (copy.deepcopy, cast_with_its_model, saved_and_read_back, used_again):
        assert after(change) == pytest.approx(whole, rel=1e-12), change.__name__


def graded_corruption(subject: Subject) -> None:
    clean = subject.example(1) if subject.clean is None else subject.clean
    for name, ladder in subject.ladders.items():
        values = [subject.value(ladder.corrupt(clean, amount)[None], clean[None]) for amount in ladder.amounts]
        steps = [after - before if ladder.rises else before - after for before, after in itertools.pairwise(values)]
        assert min(steps) > 0, f"{subject.name} on {name} {ladder.amounts}: {values}"


def indifference(subject: Subject) -> None:
    preds, target = subject.disturb(subject.example(2), 4), subject.example(2)
    before = subject.value(preds[None], target[None])
    for name, (change, tolerance) in subject.ignores.items():
        after = subject.value(change(preds)[None], change(target)[None])
        assert after == pytest.approx(before, rel=tolerance), f"{subject.name} under {name}"


def finite_on_constant_clips(subject: Subject) -> None:
    example = subject.example(0)
    for level, other in ((0, 0), (128, 128), (255, 255), (0, 255)):
        value = subject.value(torch.full_like(example, level)[None], torch.full_like(example, other)[None])
        assert within(metrics.describe(subject.name).range, value)


def bad_input_is_named(subject: Subject) -> None:
    metric, good = subject.build(), subject.example(0)[None]
    with_nan = good.float()
    with_nan[0, 0, 0, 0, 0] = float("nan")
    cases = (
        (with_nan, "uint8.*float32"),
        (good[0], "5 axes.*got 4 axes"),
        (good[:, :, :1], "3 channels.*got 1"),
        (good.permute(0, 1, 3, 4, 2), f"3 channels.*got {good.shape[-2]}"),
        (good[:, :0], "at least one frame"),
        (good.numpy(), "torch tensor, got ndarray"),
    )
    for preds, message in cases:
        with pytest.raises(MetricError, match=message):
            metric.update(preds, preds if subject.needs_reference else None)
    for frames in range(1, metric.min_frames):
        with pytest.raises(MetricError, match=f"needs at least {metric.min_frames} frames, got a clip of {frames}"):
            metric.update(good[:, :frames])
    assert metric.count == 0, "a refused batch must leave no trace"


def no_clip_is_an_error(subject: Subject) -> None:
    empty = subject.build()
    empty.update(clips.batch(1)[:0], clips.batch(1)[:0] if subject.needs_reference else None)
    with pytest.raises(MetricError, match=f"{subject.name} has seen no clip"):
        empty.compute()


def a_card_that_keeps_its_word(subject: Subject) -> None:
    card = metrics.describe(subject.name)
    assert card.name == subject.name
    assert subject.build().higher_is_better is {"higher": True, "lower": False, "neutral": None}[card.direction]
    for clip in (subject.example(0), subject.example(1), clips.with_noise(subject.example(3), 60)):
        try:
            value = subject.value(clip[None], subject.example(5)[None])
        except UndefinedScoreError:
            continue  # no value at all is an honest one
        assert within(card.range, value)


LAWS = (
    identity,
    symmetry,
    agreement_with_the_function,
    batches_and_order,
    parts_of_a_clip,
    shards_merge,
    merging_after_a_value_was_read,
    life_in_a_training_loop,
    graded_corruption,
    indifference,
    finite_on_constant_clips,
    bad_input_is_named,
    no_clip_is_an_error,
    a_card_that_keeps_its_word,
)


def within(bounds: tuple[float | None, float | None], value: float) -> bool:
    low, high = bounds
    return math.isfinite(value) and (low is None or low <= value) and (high is None or value <= high)
