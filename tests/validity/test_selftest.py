"""Metrics under damage that is known: what is observed, what was promised, and the table of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from torchmetrics import Metric

from metrics.base import ClipMetric
from metrics.card import MetricCard
from metrics.errors import UndefinedScoreError
from metrics.functional import flicker, psnr
from metrics.view import ClipView
from stepbench.validity.graded import CORRUPTIONS, built_in_clips, damaged
from stepbench.validity.selftest import Answer, answers_of
from stepbench.validity.table import markdown, rows_of


def card(name: str, **changes: object) -> MetricCard:
    facts = {"version": 1, "title": name, "direction": "neutral", "unit": "", "range": (None, None), "level": "clip"}
    texts = {"family": "f", "policy": "native", "formula": "f", "source": "s", "sees": "s", "blind_to": "b"}
    return MetricCard(name=name, **{**facts, **texts, **changes})  # type: ignore[arg-type]


class Brightness(ClipMetric):
    card = card("brightness", responses={"reverse": "same", "shuffle": "same", "noise": "down"})

    def score(self, view: ClipView) -> float:
        return float(view.frames.double().mean())


class Change(ClipMetric):
    """Undefined on clips that stand still."""

    card = card("change", needs=("prompt",), responses={"noise": "up", "frozen": "down"})

    def score(self, view: ClipView) -> float:
        value = float(view.frames.double().diff(dim=0).abs().mean())
        if value == 0:
            raise UndefinedScoreError("the clip stands still")
        return value


class Distance(Metric):
    """A metric of sets: mean squared difference of the two sides, as a sum over clips."""

    card = card("distance", level="set", needs=("reference",), responses={"noise": "up", "wrong-prompt": "up"})
    higher_is_better = full_state_update = is_differentiable = False

    def __init__(self) -> None:
        super().__init__()
        self.value = 0.0

    def update(self, preds, target) -> None:
        self.value = float((preds.double() - target.double()).square().mean())

    def compute(self) -> float:
        return self.value


@pytest.fixture(scope="module")
def clips():
    return built_in_clips(3)


def by_corruption(metric, clips) -> dict[str, Answer]:
    return {answer.corruption: answer for answer in answers_of(metric, clips)}


def test_built_in_clips_are_always_the_same_and_cover_all_levels(clips):
    again = built_in_clips(3)
    assert [clip.scene.level for clip in clips] == [1, 2, 3]
    assert all((one.frames == two.frames).all() for one, two in zip(clips, again, strict=True))
    assert len({clip.prompt for clip in clips}) == 3


@pytest.mark.parametrize("corruption", [name for name in CORRUPTIONS if name != "wrong-prompt"])
def test_amounts_grow(clips, corruption):
    """Every amount takes the frames further from the original than the one before, and never touches the original."""
    amounts = CORRUPTIONS[corruption]
    distances = []
    for amount in amounts:
        changed = [damaged(clip, corruption, amount) for clip in clips]
        assert all((clip.original == kept.frames).all() for clip, kept in zip(changed, clips, strict=True))
        distances.append(np.mean([np.square(c.frames.astype(float) - c.original).mean() for c in changed]))
    assert distances[0] > 0
    assert (np.diff(distances) > 0).all()


def test_a_wrong_prompt_leaves_the_clip_alone(clips):
    for clip in clips:
        wrong = damaged(clip, "wrong-prompt", 1)
        assert (wrong.frames == clip.frames).all()
        assert wrong.scene != clip.scene
        assert wrong.prompt != clip.prompt


def test_answers_of_a_clip_metric(clips):
    found = by_corruption(Brightness(), clips)
    assert "wrong-prompt" not in found, "a metric that reads no prompt has nothing to answer"
    assert found["shuffle"].verdict == found["reverse"].verdict == "ok"
    assert found["shuffle"].means == pytest.approx((found["shuffle"].clean,))
    # Zero-mean noise hardly changes brightness: the promise is wrong, and is called so.
    assert (found["noise"].promised, found["noise"].verdict) == ("down", "failed")
    assert found["blur"].verdict == "measured"
    assert len(found["noise"].means) == len(CORRUPTIONS["noise"])


def test_what_is_undefined_is_said_to_be(clips):
    found = by_corruption(Change(), clips)
    assert (found["frozen"].observed, found["frozen"].verdict, found["frozen"].clips) == ("undefined", "failed", 0)
    assert found["frozen"].reason == "the clip stands still"
    assert math.isnan(found["frozen"].clean)
    # One of the three stands still as it was drawn, and counts nowhere.
    assert (found["noise"].observed, found["noise"].clips) == ("up", 2)
    assert found["wrong-prompt"].observed == "same"


def test_a_metric_of_sets_is_held_against_the_originals(clips):
    found = by_corruption(Distance(), clips)
    assert found["noise"].clean == 0
    assert found["noise"].verdict == "ok"
    assert found["noise"].means == tuple(sorted(found["noise"].means))
    assert "wrong-prompt" not in found


def test_observed_equals_the_values_of_the_functions(clips):
    import torch

    import metrics

    strongest = torch.from_numpy(np.stack([damaged(clip, "noise", 40).frames for clip in clips]))
    clean = torch.from_numpy(np.stack([clip.original for clip in clips]))
    found = by_corruption(metrics.build("flicker"), clips)
    assert found["noise"].means[-1] == pytest.approx(float(flicker(strongest).mean()))
    found = by_corruption(metrics.build("psnr"), clips)
    assert found["noise"].means[-1] == pytest.approx(float(psnr(strongest, clean).mean()))


def test_the_table(clips):
    rows = rows_of([*answers_of(Brightness(), clips), *answers_of(Change(), clips)])
    assert [row["metric"] for row in rows] == ["brightness", "change"]
    assert rows[0]["shuffle"].startswith("= ")
    assert rows[0]["shuffle"].endswith("✓")
    assert "✗ ↓ promised" in rows[0]["noise"]
    assert rows[0]["wrong-prompt"] == ""
    assert rows[1]["frozen"] == "? ✗ ↓ promised"
    lines = markdown(rows).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1


def test_the_command(stepbench, monkeypatch):
    result = stepbench("metrics", "selftest", "-m", "flicker,duplicate_ratio", "--clips", 3, "--json")
    assert result.code == 0
    rows = result.records()
    assert {row["metric"] for row in rows} == {"flicker", "duplicate_ratio"}
    assert all(row["verdict"] != "failed" for row in rows)
    from metrics.flicker import Flicker

    monkeypatch.setattr(Flicker, "card", replace(Flicker.card, responses={"noise": "down"}))
    result = stepbench("metrics", "selftest", "-m", "flicker", "--clips", 3)
    assert result.code == 12
    assert "not as promised: flicker" in result.err
    assert stepbench("metrics", "selftest", "--clips", 2).code == 2
    assert stepbench("metrics", "selftest", "-m", "nonsense").code == 2
    assert stepbench("metrics", "selftest", "-m", "").code == 5


def test_what_cannot_be_loaded_here_is_left_out_aloud(stepbench, monkeypatch):
    from metrics.registry import METRICS, MetricEntry

    broken = {"flicker": METRICS["flicker"], "broken": MetricEntry("broken", "no.such:Thing")}
    monkeypatch.setattr("metrics.registry.METRICS._entries", broken)
    result = stepbench("metrics", "selftest", "--clips", 3)
    assert result.code == 0
    assert "left out: metric 'broken' is unavailable" in result.err
    assert stepbench("metrics", "selftest", "-m", "broken", "--clips", 3).code == 2
