from __future__ import annotations

from collections import defaultdict

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_strategies import scenes

from stepbench.worlds.moving_shapes import (
    Scene,
    SceneError,
    ShapeGroup,
    attributes_of,
    check_clip,
    measure_clip,
    render,
    sample_scene,
)
from stepbench.worlds.moving_shapes.foreground import UnmeasurableClipError, working_frames
from stepbench.worlds.moving_shapes.tracking import direction_and_speed, fit_line, resting_camera, track_camera

RED = ShapeGroup(shape="circle", colour="red", size="small", direction="left", speed="slow")


def drawn(level, number, **size):
    rng = np.random.default_rng([level, 11])
    scenes = [sample_scene(level, rng) for _ in range(number)]
    return [(scene, render(scene, seed, **size)) for seed, scene in enumerate(scenes)]


def accuracy(pairs):
    answers = defaultdict(list)
    for scene, clip in pairs:
        for name, right in check_clip(clip, scene).items():
            answers[name].append(right)
    return {name: float(np.mean(values)) for name, values in answers.items()}


def imperfect(clip, rng):
    """3 x 3 blur and noise of 5 percent, as a small model might leave them."""
    blurred = np.stack([cv2.blur(frame.transpose(1, 2, 0), (3, 3)).transpose(2, 0, 1) for frame in clip])
    return np.clip(blurred + 0.05 * 255 * rng.standard_normal(clip.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("level", "least"), [(1, 0.995), (2, 0.95), (3, 0.95)])
def test_clean_clips_are_right(level, least):
    measured = accuracy(drawn(level, 60))
    assert min(measured.values()) >= least, measured


@pytest.mark.parametrize(("level", "least"), [(1, 0.95), (2, 0.9), (3, 0.9)])
def test_blur_and_noise_are_forgiven(level, least):
    rng = np.random.default_rng(0)
    measured = accuracy([(scene, imperfect(clip, rng)) for scene, clip in drawn(level, 25)])
    assert min(measured.values()) >= least, measured


@pytest.mark.parametrize(
    "size",
    [
        {"height": 32, "width": 32},
        {"height": 48, "width": 96},
        {"height": 130, "width": 70},
        {"frames": 5},
        {"frames": 40, "height": 40, "width": 40},
    ],
)
def test_any_size_and_length_will_do(size):
    measured = accuracy(drawn(1, 6, **size) + drawn(2, 6, **size))
    assert min(measured.values()) == 1.0, measured


def test_shuffled_ground_truths_give_chance():
    pairs = drawn(1, 70, frames=9)
    answers = defaultdict(list)
    measured = [measure_clip(clip) for _, clip in pairs]
    for shift in (1, 7, 13, 29):
        for (scene, _), found in zip(pairs, measured[shift:] + measured[:shift], strict=True):
            group, seen = scene.objects[0], found.groups[0]
            for name in ("colour", "shape", "size", "direction"):
                answers[name].append(getattr(seen, name) == getattr(group, name))
            answers["background"].append(found.background == scene.background)
    chance = {"colour": 1 / 6, "shape": 1 / 4, "size": 1 / 3, "direction": 1 / 9, "background": 1 / 3}
    for name, expected in chance.items():
        assert np.mean(answers[name]) == pytest.approx(expected, abs=0.08), name


def test_left_of_is_not_right_of():
    first, second = RED, ShapeGroup(shape="square", colour="blue", size="medium", direction="left", speed="slow")
    for relation, opposite in [("left-of", "right-of"), ("above", "below")]:
        scene = Scene(objects=(first, second), background="white", relation=relation)
        clip = render(scene, 4, frames=9)
        assert all(check_clip(clip, scene).values())
        wrong = check_clip(clip, Scene(objects=(first, second), background="white", relation=opposite))
        assert [name for name, right in wrong.items() if not right] == ["relation"]
        mirrored = Scene(objects=(second, first), background="white", relation=opposite)
        assert all(check_clip(clip, mirrored).values())


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("colour", "purple"),
        ("shape", "square"),
        ("size", "medium"),
        ("direction", "up-left"),
        ("speed", "fast"),
        ("background", "grey"),
    ],
)
def test_one_wrong_attribute_fails_alone(attribute, value):
    clip = render(Scene(objects=(RED,), background="black"), 2)
    truth = Scene(objects=(RED,), background="black").to_json()
    (truth if attribute == "background" else truth["objects"][0])[attribute] = value
    answers = check_clip(clip, truth)
    assert [name for name, right in answers.items() if not right] == [attribute]


def test_an_extra_object_is_counted():
    clip = render(Scene(objects=(ShapeGroup(**{**RED.__dict__, "count": 3}),), background="black"), 0)
    for count, right in [(2, False), (3, True), (4, False)]:
        truth = Scene(objects=(ShapeGroup(**{**RED.__dict__, "count": count}),), background="black")
        assert check_clip(clip, truth)["count"] is right


def test_the_object_moves_against_the_background_not_the_frame():
    still = ShapeGroup(shape="square", colour="green", size="medium", direction="still")
    scene = Scene(objects=(still,), background="grey", pattern="dots", camera="pan-left")
    clip = render(scene, 0)
    found = measure_clip(clip)
    assert (found.camera, found.groups[0].direction) == ("pan-left", "still")
    moving = Scene(
        objects=(ShapeGroup(**{**still.__dict__, "direction": "right", "speed": "slow"}),), background="grey"
    )
    assert measure_clip(render(moving, 0)).groups[0].direction == "right"


def test_what_is_not_found_is_wrong():
    empty = np.full((9, 3, 64, 64), 107, np.uint8)
    scene = Scene(objects=(RED,), background="grey")
    answers = check_clip(empty, scene)
    assert [name for name, right in answers.items() if right] == ["background"]


def test_one_frame_has_no_motion():
    scene = Scene(objects=(RED,), background="black")
    answers = check_clip(render(scene, 0, frames=1), scene)
    assert [name for name, right in answers.items() if not right] == ["direction", "speed"]


@given(
    scenes(), st.sampled_from([1, 2, 17]), st.integers(0, 1000), st.sampled_from(["noise", "flat", "blobs", "faint"])
)
@settings(max_examples=40, deadline=None)
def test_every_clip_gets_an_answer_for_every_attribute(scene, frames, seed, content):
    rng = np.random.default_rng(seed)
    clip = rng.integers(0, 256, (frames, 3, 32, 48), dtype=np.uint8)
    if content == "flat":
        clip[:] = clip[:1, :, :1, :1]
    if content == "blobs":
        clip = (clip > 253).astype(np.uint8) * 255
    if content == "faint":
        clip = clip // 32 + 100
    answers = check_clip(clip, scene)
    assert tuple(answers) == attributes_of(scene)
    assert {type(answer) for answer in answers.values()} == {bool}


def test_attributes_depend_on_what_the_scene_names():
    flat = ("colour", "shape", "size", "direction", "speed", "background")
    still = ShapeGroup(shape="circle", colour="red", size="small", direction="still")
    assert attributes_of(Scene(objects=(RED,), background="black")) == flat
    assert "speed" not in attributes_of(Scene(objects=(still,), background="black"))
    assert "camera" in attributes_of(Scene(objects=(RED,), background="black", pattern="grid"))
    assert "camera" not in attributes_of(Scene(objects=(RED,), background="black", pattern="stripes"))
    assert {"clutter", "count"} <= set(attributes_of(Scene(objects=(RED,), background="black", clutter=True)))


def test_fit_line_by_hand():
    # Positions 0, 1, 2 over two thirds of the clip: slope 1 per frame, 3 frames from first to last.
    path = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [np.nan, np.nan]])
    line = fit_line(path)
    assert line is not None
    np.testing.assert_allclose(line.displacement, [3.0, 0.0], atol=1e-12)
    assert line.coherence == pytest.approx(1.0)
    assert line.scatter == pytest.approx(np.sqrt(2 / 3))
    assert fit_line(path[:1]) is None
    assert fit_line(np.full((4, 2), np.nan)) is None


def test_jerky_motion_has_no_direction():
    jumps = np.array([[0.0, 0.0], [0.4, 0.0], [0.0, 0.0], [0.4, 0.0], [0.0, 0.3], [0.4, 0.0]])
    assert direction_and_speed(fit_line(jumps)) == (None, None)
    assert direction_and_speed(None) == (None, None)


def test_a_resting_camera_is_static():
    assert resting_camera(5).camera() == "static"
    assert resting_camera(1).camera() is None


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (np.zeros((4, 3, 31, 64), np.uint8), "sides of 32 pixels, got 4 of 31 x 64"),
        (np.zeros((0, 3, 64, 64), np.uint8), "got 0 of 64 x 64"),
        (np.zeros((4, 64, 64, 3), np.uint8), r"time, 3, height, width\), got uint8 \(4, 64, 64, 3\)"),
        (np.zeros((4, 3, 64, 64), np.float32), "got float32"),
        ([[1]], "got list"),
    ],
)
def test_arrays_that_are_no_clips_are_refused(clip, message):
    with pytest.raises(UnmeasurableClipError, match=message):
        working_frames(clip)


def test_a_foreign_ground_truth_is_refused():
    with pytest.raises(SceneError, match="missing key 'background'"):
        check_clip(np.zeros((4, 3, 64, 64), np.uint8), {})


def garbage(kind, frames, side, rng):
    """Clips of no scene: what a broken model or codec may leave."""
    shape = (frames, 3, side, side)
    if kind == "noise":
        return rng.integers(0, 256, shape).astype(np.uint8)
    if kind == "extremes":
        return rng.choice(np.array([0, 255], np.uint8), shape)
    if kind == "flicker":
        return np.broadcast_to(rng.integers(0, 256, (frames, 3, 1, 1)), shape).astype(np.uint8)
    if kind == "tiles":
        tiles = rng.integers(0, 256, (frames, 3, 8, 8))
        return tiles.repeat(side // 8, axis=2).repeat(side // 8, axis=3).astype(np.uint8)
    clip = np.broadcast_to(rng.integers(0, 256, (1, 3, 1, 1)), shape).astype(np.uint8)
    if kind == "border":
        width = int(rng.integers(1, 12))
        inside = clip[:, :, width:-width, width:-width].copy()
        clip = 255 - clip
        clip[:, :, width:-width, width:-width] = inside
    return clip


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["noise", "extremes", "flicker", "tiles", "constant", "border"]),
    st.sampled_from([1, 2, 9]),
    st.sampled_from([32, 64]),
    st.integers(0, 10**6),
    scenes(),
)
def test_every_clip_gets_an_answer(kind, frames, side, seed, scene):
    answers = check_clip(garbage(kind, frames, side, np.random.default_rng(seed)), scene)
    assert set(answers) == set(attributes_of(scene))
    assert all(right in (True, False) for right in answers.values())


def test_a_frame_around_the_picture_is_no_object():
    clip = np.full((5, 3, 64, 64), 128, np.uint8)
    border = np.ones((64, 64), bool)
    border[3:-3, 3:-3] = False
    clip[:, 0, border], clip[:, 1:, border] = 255, 0
    assert measure_clip(clip).groups == ()


def test_a_camera_cannot_pass_through_zero():
    """Registration of noise has asked for a negative magnification."""
    scales = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        grey = rng.random((6, 4, 4)).repeat(10, axis=1).repeat(12, axis=2).astype(np.float32)
        scales.append(track_camera(grey, np.ones(grey.shape, bool)).scale)
    assert (np.concatenate(scales) > 0).all()
