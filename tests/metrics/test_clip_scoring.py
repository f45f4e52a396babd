"""Views, the base class and scoring of one clip with many metrics."""

from __future__ import annotations

from fractions import Fraction

import clips
import numpy as np
import pandas as pd
import pytest
import torch
from subjects import SUBJECTS

import metrics
from metrics import ClipMetric, ClipScore, ClipView, MetricCard, MetricError, score_view
from metrics import view as view_module
from metrics.errors import ClipError, MissingInputError, UndefinedScoreError


def toy_card(**changes: object) -> MetricCard:
    fields: dict[str, object] = {"name": "toy", "version": 1, "title": "Toy", "direction": "neutral", "unit": ""}
    fields |= {"range": (None, None), "level": "clip", "family": "toys", "policy": "native"}
    fields |= {"formula": "f", "source": "s", "sees": "x", "blind_to": "y"}
    return MetricCard(**{**fields, **changes})  # type: ignore[arg-type]


class PromptLength(ClipMetric):
    card = toy_card(name="prompt_length", needs=("prompt",))

    def score(self, view: ClipView) -> float:
        return len(view.prompt or "")


class ObjectCount(ClipMetric):
    card = toy_card(name="object_count", needs=("ground_truth",))

    def score(self, view: ClipView) -> float:
        return len((view.ground_truth or {})["objects"])


class Rate(ClipMetric):
    card = toy_card(name="rate", direction="higher")

    def score(self, view: ClipView) -> float:
        return view.fps or 0.0


class Undefined(ClipMetric):
    card = toy_card(name="undefined", direction="lower")

    def score(self, view: ClipView) -> float:
        return float("nan")


class Broken(ClipMetric):
    card = toy_card(name="broken")

    def score(self, view: ClipView) -> float:
        raise KeyError


def test_offline_metrics_share_one_flow_per_direction(monkeypatch: pytest.MonkeyPatch):
    calls = []
    real = view_module.clip_flow
    monkeypatch.setattr(view_module, "clip_flow", lambda *a, **k: calls.append(k) or real(*a, **k))
    scores = score_view(ClipView(clips.moving(), fps=8), {name: metrics.build(name) for name in metrics.OFFLINE})
    assert {score.status for score in scores.values()} == {"ok"}
    assert calls == [{}, {"backward": True}]


@pytest.mark.parametrize(("speed", "undefined"), [(0.0, set()), (2.0, {"vbench_flicker"})])
def test_scores_of_a_view_equal_the_metrics_one_by_one(speed: float, undefined: set[str]):
    reference = clips.moving(velocity=(speed, 0.0), side=176)
    clip = clips.with_pulses(reference, 3)
    everything = {subject.name: subject.build() for subject in SUBJECTS}
    scores = score_view(ClipView(clip, reference, fps=12), everything)
    assert {name for name, score in scores.items() if score.status == "failed"} == undefined
    for name in everything.keys() - undefined:
        everything[name].update(clip[None], reference[None], fps=12)
        assert scores[name] == ClipScore(float(everything[name].compute()), "ok")


def test_a_failing_metric_costs_only_its_own_score():
    named = {"psnr": metrics.build("psnr"), "nan": Undefined(), "crash": Broken(), "flicker": metrics.build("flicker")}
    scores = score_view(ClipView(clips.moving()), named)
    assert scores["flicker"].status == "ok"
    assert {name for name, score in scores.items() if score.status == "failed"} == {"psnr", "nan", "crash"}
    assert all(score.value is None for score in scores.values() if score.status == "failed")
    assert "MissingInputError: psnr needs a reference" in scores["psnr"].error
    assert "UndefinedScoreError: undefined is nan" in scores["nan"].error
    assert scores["crash"].error == "KeyError: no message"


def test_a_short_clip_fails_the_temporal_metrics_and_no_other():
    scores = score_view(ClipView(clips.moving(frames=1)), {name: metrics.build(name) for name in metrics.OFFLINE})
    assert {name for name, score in scores.items() if score.status == "ok"} == {"sharpness"}
    assert "flicker needs at least 2 frames, got a clip of 1" in scores["flicker"].error


def test_a_reference_of_another_shape_fails_the_reference_metrics_and_no_other():
    view = ClipView(clips.moving(), clips.moving(frames=5))
    scores = score_view(view, {name: metrics.build(name) for name in ("psnr", "flicker")})
    assert scores["flicker"].status == "ok"
    assert "got (5, 3, 48, 48) for a clip (6, 3, 48, 48)" in scores["psnr"].error


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (clips.batch(1), "a clip has 4 axes.*got 5 axes"),
        (clips.moving()[0], r"(?s)4 axes.*got 3 axes.*clip\[None\]"),
        (clips.moving().float(), "uint8.*float32"),
        (clips.moving().permute(0, 2, 3, 1), r"(?s)got 48 in shape.*permute"),
    ],
)
def test_a_view_refuses_what_is_no_clip(frames: torch.Tensor, message: str):
    with pytest.raises(ClipError, match=message):
        ClipView(frames)


def test_a_view_refuses_impossible_frame_rates_and_missing_references():
    with pytest.raises(ClipError, match="frames per second must be a positive number or None, got -1"):
        ClipView(clips.moving(), fps=-1)
    with pytest.raises(MissingInputError, match="this view has no reference"):
        ClipView(clips.moving()).reference_pixels  # noqa: B018 - the access is the test


def test_prompts_ground_truth_and_rates_reach_the_score_per_clip():
    preds = clips.batch(2)
    prompts, truths, rate = PromptLength(), ObjectCount(), Rate()
    prompts.update(preds, prompts=["ab", "abcd"])
    truths.update(preds, ground_truth=[{"objects": [1]}, {"objects": [1, 2, 3, 4]}])
    rate.update(preds, fps=[8, 24])
    assert [float(metric.compute()) for metric in (prompts, truths, rate)] == [3.0, 2.5, 16.0]
    rate.update(preds, fps=16)
    assert float(rate.compute()) == 16.0


def test_missing_inputs_are_named_with_the_argument_that_brings_them():
    preds = clips.batch(1)
    with pytest.raises(MissingInputError, match=r"(?s)psnr needs a reference.*`target`"):
        metrics.build("psnr").update(preds)
    with pytest.raises(MissingInputError, match=r"(?s)prompt_length needs a prompt.*`prompts`"):
        PromptLength().update(preds)
    with pytest.raises(MissingInputError, match=r"(?s)object_count needs a ground truth.*`ground_truth`"):
        ObjectCount().update(preds)


def test_inputs_must_come_one_per_clip():
    preds = clips.batch(2)
    with pytest.raises(MetricError, match="prompts holds one entry per clip: 2 clips, but 1 entries"):
        PromptLength().update(preds, prompts=["a"])
    with pytest.raises(MetricError, match="target holds one entry per clip: 2 clips, but 1 entries"):
        metrics.build("psnr").update(preds, preds[:1])
    with pytest.raises(MetricError, match=r"(?s)got a single str.*prompts=\[\.\.\.\]"):
        PromptLength().update(preds, prompts="ab")
    with pytest.raises(MetricError, match="ground_truth holds one entry per clip, got a single dict"):
        ObjectCount().update(preds, ground_truth={"objects": []})
    with pytest.raises(MetricError, match="target holds one entry per clip, got a single int"):
        metrics.build("psnr").update(preds, 3)
    with pytest.raises(MetricError, match="prompts holds one entry per clip, got a single generator"):
        PromptLength().update(preds, prompts=(text for text in "ab"))


@pytest.mark.parametrize("prompt", [3, b"a", float("nan")])
def test_a_prompt_is_a_text(prompt):
    with pytest.raises(ClipError, match=f"a prompt must be a text or None, got {type(prompt).__name__}: "):
        PromptLength().update(clips.batch(1), prompts=[prompt])


class LengthWhereBright(ClipMetric):
    card = toy_card(name="length_where_bright", needs=("prompt",))

    def score(self, view: ClipView) -> float:
        return len(view.prompt or "") if view.frames.float().mean() > 128 else 0


def test_inputs_are_taken_in_their_order_and_not_by_label():
    dark_and_bright = torch.stack([torch.full_like(clips.moving(), level) for level in (0, 255)])
    metric = LengthWhereBright()
    metric.update(dark_and_bright, prompts=pd.Series(["abcd", "xy"], index=[1, 0]))
    assert float(metric.compute()) == 1.0


@pytest.mark.parametrize(
    "fps",
    [12, 12.0, Fraction(12), np.float32(12), np.int64(12), torch.tensor(12.0), torch.tensor([12.0, 12.0]), [12, 12.0]],
)
def test_a_frame_rate_is_any_kind_of_number(fps):
    preds = torch.stack([clips.moving(velocity=(3.0, 0.0)), clips.moving(velocity=(1.0, 0.0))])
    for name in ("motion_magnitude", "dynamic_degree"):
        usual, metric = metrics.build(name), metrics.build(name)
        usual.update(preds, fps=12.0)
        metric.update(preds, fps=fps)
        assert float(metric.compute()) == float(usual.compute())


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), ["8 per second"], torch.tensor(0)])
def test_other_frame_rates_are_refused(fps):
    with pytest.raises(ClipError, match="frames per second must be a positive number or None, got "):
        metrics.build("flicker").update(clips.batch(1), fps=fps)


def test_a_value_that_is_not_finite_raises():
    with pytest.raises(UndefinedScoreError, match=r"undefined is nan on a clip of shape \(6, 3, 48, 48\)"):
        Undefined().update(clips.batch(1))


def test_an_error_in_a_batch_leaves_no_trace_of_it():
    metric = PromptLength()
    with pytest.raises(MissingInputError, match="needs a prompt"):
        metric.update(clips.batch(2), prompts=["abc", None])
    metric.update(clips.batch(1), prompts=["a"])
    assert float(metric.compute()) == 1.0


def test_compute_gives_float64_and_reset_forgets():
    metric = metrics.build("flicker")
    metric.update(clips.batch(1))
    assert metric.compute().dtype == torch.float64
    metric.reset()
    with pytest.warns(UserWarning, match="before the ``update``"), pytest.raises(UndefinedScoreError, match="no clip"):
        metric.compute()


def test_forward_gives_the_batch_and_keeps_the_total():
    metric = metrics.build("flicker")
    first, second = clips.batch(2)[:1], clips.moving(8, velocity=(3.0, 1.0))[None]
    values = [float(metric(first)), float(metric(second))]
    assert values[0] != values[1]
    assert float(metric.compute()) == pytest.approx(sum(values) / 2, rel=1e-12)


def test_higher_is_better_comes_from_the_card():
    assert (Rate.higher_is_better, Undefined.higher_is_better, Broken.higher_is_better) == (True, False, None)
