"""A clip in parts: what metrics see of it, in which parts, and that their values are those of the whole clip."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import clips
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from subjects import SUBJECTS
from toy_backbones import Levels

import metrics
from metrics import ClipMetric, ClipScore, ClipStream, ClipView, MetricCard, score_view
from metrics.backbones.hub_towers import XClipTower
from metrics.backbones.random_features import load_random_2d, load_random_3d
from metrics.backbones.shapes_features import load_shapes
from metrics.backbones.shapes_video import frame_places, frames_seen
from metrics.errors import ClipError
from metrics.frame_feed import FrameFeed
from metrics.fvd import FVD
from metrics.governance.face_present import FacePresent
from metrics.governance.reference_set import ClipDescriber
from metrics.judges.vision_language import VisionLanguageJudge

DISTORTED = clips.with_noise(clips.moving(3, velocity=(1.5, 0.3), frames=17), 4.0)
CLEAN = clips.moving(3, velocity=(1.5, 0.3), frames=17)


def streamed(named: dict[str, Any], sizes: Sequence[int], told: int = 17, **about: Any) -> ClipStream:
    stream = ClipStream(named, frames=told, **about)
    start = 0
    for size in sizes:
        stream.add(DISTORTED[start : start + size], CLEAN[start : start + size])
        start += size
    assert start == 17
    return stream


@st.composite
def divisions(draw: st.DrawFn) -> list[int]:
    """Sizes of the parts of 17 frames."""
    marks = sorted(draw(st.sets(st.integers(1, 16), max_size=16)))
    return [after - before for before, after in pairwise([0, *marks, 17])]


@pytest.fixture(scope="module")
def everything() -> dict[str, ClipMetric]:
    return {one.name: one.build() for one in SUBJECTS if one.name not in ("ms_ssim", "lpips")}


@settings(max_examples=6, deadline=None)
@given(sizes=divisions(), fps=st.sampled_from([8, 16, 60]))
def test_wherever_a_clip_is_divided_every_value_is_that_of_the_whole(everything, sizes: list[int], fps: int):
    whole = score_view(ClipView(DISTORTED, CLEAN, fps=fps), everything)
    assert streamed(everything, sizes, fps=fps).scores() == whole


@pytest.mark.parametrize("name", ["subject_consistency", "background_consistency", "clip_score", "clip_margin"])
def test_networks_get_equal_batches_from_any_parts(name: str, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tiny_weights))
    monkeypatch.setattr("metrics.backbones.frame_recipe.FRAMES_AT_ONCE", 5)
    monkeypatch.setattr("metrics.embedding_consistency.FRAMES_AT_ONCE", 5)
    monkeypatch.setattr("metrics.prompt_alignment.FRAMES_AT_ONCE", 5)
    monkeypatch.setattr("metrics.backbones.hub_towers.FrameTower.frames_at_once", 5)
    options = {"distractors": ["a dog", "a red kite"]} if name == "clip_margin" else {}
    named = {name: metrics.build(name, **options)}
    whole = score_view(ClipView(DISTORTED, prompt="a cat"), named)
    assert whole[name].status == "ok", whole
    for sizes in ([17], [1] * 17, [7, 7, 3]):
        assert streamed(named, sizes, prompt="a cat").scores() == whole


def test_lpips_gets_equal_batches_from_any_parts(monkeypatch: pytest.MonkeyPatch):
    # By its module: the name `metrics.functional.lpips` is the function.
    monkeypatch.setattr(sys.modules["metrics.functional.lpips"], "_PIXELS_AT_ONCE", 4 * 48 * 48)
    named = {"lpips": metrics.build("lpips")}
    whole = score_view(ClipView(DISTORTED, CLEAN), named)
    assert whole["lpips"].status == "ok"
    for sizes in ([17], [1] * 17, [7, 7, 3]):
        assert streamed(named, sizes).scores() == whole


CPU = torch.device("cpu")
PICKS = {
    "shapes": frames_seen,
    "shapes backbone": load_shapes(CPU).frames_seen,
    "first": load_random_3d(CPU, frames=5).frames_seen,
    "even": load_random_2d(CPU, frames=8).frames_seen,
    "set metric": metrics.build("random_feature_distance", seeds=2, frames=5).frames_seen,
    "near duplicates": ClipDescriber().frames_seen,
    "faces": partial(FacePresent.frames_seen, SimpleNamespace()),
    "judge": partial(VisionLanguageJudge.frames_seen, SimpleNamespace()),
    "xclip": partial(XClipTower.frames_seen, SimpleNamespace(frames=8)),
}


@pytest.mark.parametrize("name", PICKS)
def test_picked_frames_rise_and_are_all_picked_from_one_another(name: str):
    seen: Any = PICKS[name]
    for frames in (1, 2, 5, 7, 8, 9, 15, 16, 17, 40, 203):
        picked = list(seen(frames))
        assert picked == sorted(set(picked))
        assert 0 <= picked[0] <= picked[-1] < frames
        assert list(seen(len(picked))) == list(range(len(picked)))
        assert len(picked) in {frames, 5, 8, 16}
        assert len(picked) <= 16


def test_picked_frames_are_those_that_are_seen_of_the_whole():
    clip = torch.arange(40, dtype=torch.uint8)[:, None, None, None].expand(40, 3, 16, 16)
    for seen, look in (
        (frames_seen, lambda frames: frames[frame_places(len(frames))]),
        (
            load_random_2d(CPU, frames=8).frames_seen,
            lambda frames: load_random_2d(CPU, frames=8).sample(frames[None])[0],
        ),
    ):
        assert torch.equal(look(clip[list(seen(40))]), look(clip))


class Shape(ClipMetric):
    """The number of frames that it is given, and which ones."""

    card = MetricCard(
        name="shape",
        version=1,
        title="Shape",
        direction="neutral",
        unit="",
        range=(None, None),
        level="clip",
        family="toys",
        policy="native",
        formula="f",
        source="s",
        sees="x",
        blind_to="y",
    )

    def score(self, view: ClipView) -> float:
        return float("nan") if view.fps == 1 else len(view.frames)

    def note(self, view: ClipView) -> str:
        return " ".join(str(int(frame[0, 0, 0])) for frame in view.frames)


class Ends(Shape):
    def frames_seen(self, frames: int) -> Sequence[int]:
        return sorted({0, frames - 1})


class Refuses(Shape):
    def frames_seen(self, frames: int) -> Sequence[int]:
        raise ClipError(f"it has {frames} frames")


NUMBERED = torch.arange(17, dtype=torch.uint8)[:, None, None, None].expand(17, 3, 16, 16)


def numbered(metric: ClipMetric, told: int = 17, fps: float = 8) -> ClipStream:
    stream = ClipStream({"": metric}, frames=told, fps=fps)
    for part in NUMBERED.split(7):
        stream.add(part)
    return stream


def test_a_metric_gets_the_frames_that_it_looks_at_or_all_of_them():
    assert numbered(Shape()).scores()[""] == ClipScore(17.0, "ok", note=" ".join(map(str, range(17))))
    assert numbered(Ends()).scores()[""] == ClipScore(2.0, "ok", note="0 16")
    assert "shape is nan on a clip of shape (17, 3, 16, 16)" in numbered(Ends(), fps=1).scores()[""].error


def test_a_wrong_number_of_frames_shows_where_something_depends_on_it():
    assert numbered(Ends()).told_right
    assert not numbered(Ends(), told=16).told_right
    assert not numbered(Ends(), told=18).told_right
    assert numbered(Shape(), told=0).told_right
    assert numbered(metrics.build("flicker"), told=3).told_right
    assert not numbered(Refuses(), told=3).told_right
    assert "it has 17 frames" in numbered(Refuses()).scores()[""].error


def test_set_metrics_are_handed_what_their_backbone_looks_at():
    sets: dict[str, Any] = {
        "five": metrics.build("random_feature_distance", seeds=1, frames=5),
        "all": FVD(Levels()),
        "unable": Unable(),
    }
    stream = ClipStream({}, sets=sets, frames=17)
    for part in DISTORTED.split(4):
        stream.add(part)
    assert stream.scores() == {}
    for key in ("five", "all"):
        seen = stream.frames_of(key)
        assert torch.equal(sets[key].features_of(seen[None]), sets[key].features_of(DISTORTED[None]))
    assert [len(stream.frames_of(key)) for key in ("five", "all")] == [5, 17]
    with pytest.raises(RuntimeError, match="no idea"):
        stream.frames_of("unable")


class Unable(FVD):
    def __init__(self) -> None:
        super().__init__(Levels())

    def frames_seen(self, frames: int) -> Sequence[int]:
        raise RuntimeError("no idea")


@pytest.mark.parametrize(("ours", "theirs"), [(17, 12), (12, 17), (17, 0)])
def test_clip_and_reference_of_unequal_length_are_refused_as_in_one_part(ours: int, theirs: int):
    named = {name: metrics.build(name) for name in ("psnr", "flicker")}
    whole = score_view(ClipView(DISTORTED[:ours], CLEAN[:theirs] if theirs else None), named)
    stream = ClipStream(named, frames=ours)
    for start in range(0, 17, 5):
        part = slice(start, start + 5)
        sides = [side[part] if len(side[part]) else None for side in (DISTORTED[:ours], CLEAN[:theirs])]
        stream.add(*sides)
    assert stream.scores() == whole
    assert whole["flicker"].status == "ok"
    assert (f"got ({theirs}, 3, 48, 48)" if theirs else "psnr needs a reference") in whole["psnr"].error


def test_a_clip_of_one_frame_and_a_short_last_part_are_as_in_one_part():
    named = {name: metrics.build(name) for name in ("flicker", "luma_flicker", "sharpness", "frame_consistency")}
    for frames, sizes in ((1, [1]), (2, [1, 1]), (3, [1, 1, 1]), (3, [2, 1])):
        stream = ClipStream(named, frames=frames)
        for part in DISTORTED[:frames].split(sizes):
            stream.add(part)
        assert stream.scores() == score_view(ClipView(DISTORTED[:frames]), named)


def test_what_is_no_part_of_the_clip_is_refused():
    stream = ClipStream({"": Shape()}, frames=17)
    stream.add(DISTORTED[:3], CLEAN[:3])
    with pytest.raises(ClipError, match=r"frames of a clip have one size, got \(3, 47, 48\) after \(3, 48, 48\)"):
        stream.add(DISTORTED[3:, :, 1:])
    with pytest.raises(ClipError, match=r"frames of a clip have one size, got \(3, 48, 40\) after \(3, 48, 48\)"):
        stream.add(DISTORTED[3:], CLEAN[3:, :, :, 8:])
    with pytest.raises(ClipError, match=r"uint8.*float32"):
        stream.add(DISTORTED[3:].float())


@settings(max_examples=60, deadline=None)
@given(sizes=divisions(), at_once=st.sampled_from([None, 1, 3, 5, 40]), picked=st.none() | st.sets(st.integers(0, 16)))
def test_feeds_lose_no_frame_and_keep_their_word(sizes: list[int], at_once: int | None, picked: set[int] | None):
    seen = None if picked is None else sorted(picked)
    feed, parts = FrameFeed(seen, at_once=at_once), []
    for part in NUMBERED.split(sizes):
        parts += feed.add(part, part)
    parts += feed.rest()
    expected = list(range(17)) if seen is None else seen
    numbers = [[int(frame[0, 0, 0]) for frame in part.frames] for part in parts]
    assert [number for part in numbers for number in part] == expected
    assert [part.start for part in parts] == [sum(map(len, numbers[:place])) for place in range(len(parts))]
    assert all(part.reference is not None and torch.equal(part.reference, part.frames) for part in parts)
    lengths = [len(part) for part in numbers]
    if at_once is None:
        assert not lengths or lengths[0] > 1 or lengths == [1]
        before = [None if part.previous is None else int(part.previous[0, 0, 0, 0]) for part in parts]
        assert before == [None, *(part[-1] for part in numbers[:-1])][: len(parts)]
    else:
        assert all(length == at_once for length in lengths[:-1])
        assert all(length <= at_once for length in lengths)


def test_a_feed_without_a_reference_for_all_frames_gives_none():
    feed = FrameFeed(at_once=6)
    parts = [*feed.add(CLEAN[:4], CLEAN[:4]), *feed.add(CLEAN[4:9]), *feed.rest()]
    assert [part.reference for part in parts] == [None, None]
