from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_strategies import scenes

from stepbench.errors import UsageError
from stepbench.worlds.moving_shapes import Scene, ShapeGroup, render, sample_scene, scene_rng
from stepbench.worlds.moving_shapes.appearance import (
    BACKGROUND_TONE,
    COLOUR_RGB,
    CROSS_ARM,
    DIRECTION_VECTOR,
    HALF_SIZE,
    PATH_LENGTH,
    PATTERN_PERIOD,
    shape_coverage,
)
from stepbench.worlds.moving_shapes.motion import GAP, camera_path, place_objects
from stepbench.worlds.moving_shapes.render import COLOUR_JITTER, TONE_JITTER
from stepbench.worlds.moving_shapes.scene import SHAPES

CIRCLE = ShapeGroup(shape="circle", colour="red", size="small", direction="left", speed="fast")

GOLDEN_SCENE = Scene(
    objects=(replace(CIRCLE, shape="cross", colour="cyan", size="large", direction="down-right", speed="slow"),),
    background="grey",
    pattern="checks",
    clutter=True,
)
# Mean over 8 x 8 blocks of the red channel of the first of 3 frames of 64 x 64, seed 5.
GOLDEN_BLOCKS = [
    [131.9, 133.5, 111.2, 129.0, 131.9, 131.0, 113.4, 111.6],
    [136.1, 130.0, 128.6, 131.9, 135.5, 122.4, 131.3, 131.9],
    [126.2, 128.7, 115.3, 135.7, 33.5, 70.6, 131.9, 102.8],
    [134.7, 131.9, 118.2, 63.2, 20.3, 39.0, 63.4, 109.9],
    [103.8, 136.1, 88.4, 49.1, 24.6, 34.4, 56.3, 133.9],
    [136.1, 131.9, 123.6, 122.6, 26.7, 69.6, 136.1, 102.3],
    [131.9, 136.1, 109.4, 136.1, 124.5, 109.2, 123.6, 136.1],
    [104.2, 120.3, 126.4, 129.3, 109.3, 129.5, 135.3, 112.8],
]


def object_mask(frames):
    """Pixels more coloured than half way from a grey background to an object."""
    levels = frames.astype(float)
    return levels.max(axis=1) - levels.min(axis=1) > 80


def centres(frames):
    masks = object_mask(frames)
    rows, columns = np.indices(masks.shape[1:])
    return np.array([(columns[mask].mean(), rows[mask].mean()) for mask in masks])


@given(scenes(), st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_same_inputs_give_the_same_bytes(scene, seed):
    first, second = (render(scene, seed, frames=4, height=32, width=40) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.shape == (4, 3, 32, 40)
    assert first.tobytes() == second.tobytes()


def test_golden_picture():
    frame = render(GOLDEN_SCENE, 5, frames=3)[0, 0].astype(float)
    np.testing.assert_allclose(frame.reshape(8, 8, 8, 8).mean(axis=(1, 3)), GOLDEN_BLOCKS, atol=0.5)


def test_seeds_differ():
    scene = Scene(objects=(CIRCLE,), background="black")
    assert (render(scene, 0) != render(scene, 1)).any()


def test_long_clips_are_drawn_in_chunks_without_a_seam(monkeypatch):
    scene = sample_scene(2, np.random.default_rng(1), kind="camera")
    whole = render(scene, 0, frames=9, height=32, width=32)
    monkeypatch.setitem(render.__globals__, "_CHUNK_PIXELS", 2 * 32 * 32)
    assert (render(scene, 0, frames=9, height=32, width=32) == whole).all()


@pytest.mark.parametrize("direction", [name for name in DIRECTION_VECTOR if name != "still"])
@pytest.mark.parametrize("speed", ["slow", "fast"])
@pytest.mark.parametrize(("frames", "height", "width"), [(2, 64, 64), (5, 96, 64)])
def test_displacement_is_a_fixed_share_of_the_shorter_side(direction, speed, frames, height, width):
    scene = Scene(objects=(replace(CIRCLE, direction=direction, speed=speed),), background="black")
    path = centres(render(scene, 3, frames=frames, height=height, width=width))
    expected = PATH_LENGTH[speed] * 64 * np.array(DIRECTION_VECTOR[direction])
    np.testing.assert_allclose(path[-1] - path[0], expected, atol=0.35)


def test_one_frame_shows_the_start_of_the_motion():
    scene = Scene(objects=(CIRCLE,), background="black")
    assert (render(scene, 3, frames=1)[0] == render(scene, 3, frames=17)[0]).all()


@given(scenes(), st.integers(0, 100), st.sampled_from([(64, 64), (48, 80), (90, 40)]))
@settings(max_examples=60, deadline=None)
def test_objects_stay_inside_and_apart(scene, seed, size):
    span = (size[1] / min(size), size[0] / min(size))
    path = camera_path(scene.camera, 9)
    placed = place_objects(scene, path, span, scene_rng(scene, seed))
    boxes = [
        (centre, HALF_SIZE[group.size] * path.scale)
        for group, members in zip(scene.objects, placed, strict=True)
        for centre in members
    ]
    for centre, half in boxes:
        for axis in (0, 1):
            assert (centre[:, axis] - half).min() >= -1e-9
            assert (centre[:, axis] + half).max() <= span[axis] + 1e-9
    for index, (centre, half) in enumerate(boxes):
        for other, other_half in boxes[:index]:
            assert (np.abs(centre - other).max(axis=1) - half - other_half).min() >= GAP - 1e-9


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_relations_hold_in_every_frame(seed):
    scene = sample_scene(2, np.random.default_rng(seed), kind="relation")
    (first,), (second,) = place_objects(scene, camera_path("static", 5), (1.0, 1.0), scene_rng(scene, seed))
    axis, sign = {"left-of": (0, -1), "right-of": (0, 1), "above": (1, -1), "below": (1, 1)}[scene.relation]
    apart = first - second
    assert (sign * apart[:, axis] > 1.9 * np.abs(apart[:, 1 - axis])).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_coverage_adds_up_to_the_area_of_the_shape(shape):
    half, pixel = 0.2, 1 / 256
    grid = (np.arange(256) + 0.5) * pixel - 0.5
    area = shape_coverage(shape, grid, grid, np.array(half), pixel).sum() * pixel**2
    arms = 2 * (2 * half) * (2 * half * CROSS_ARM) - (2 * half * CROSS_ARM) ** 2
    expected = {"circle": math.pi * half**2, "square": 4 * half**2, "triangle": 2 * half**2, "cross": arms}[shape]
    assert area == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_coverage_is_mirrored_left_to_right_and_upright(shape):
    grid = (np.arange(63) - 31) / 64
    covered = shape_coverage(shape, grid, grid, np.array(0.3), 1 / 64)
    np.testing.assert_allclose(covered, covered[:, ::-1])
    top, bottom = covered[:31].sum(), covered[32:].sum()
    assert top < 0.6 * bottom if shape == "triangle" else top == pytest.approx(bottom)


@pytest.mark.parametrize("background", list(BACKGROUND_TONE))
@pytest.mark.parametrize("colour", list(COLOUR_RGB))
def test_colours_are_those_of_the_palette(background, colour):
    scene = Scene(
        objects=(replace(CIRCLE, colour=colour, size="large", direction="still", speed=None),), background=background
    )
    frame = render(scene, 0, frames=1)[0] / 255
    mask = object_mask(render(scene, 0, frames=1))[0]
    middle = np.median(frame[:, mask], axis=1)
    np.testing.assert_allclose(middle, COLOUR_RGB[colour], atol=COLOUR_JITTER + 1 / 255)
    tone = frame[:, ~mask].reshape(3, -1)
    np.testing.assert_allclose(np.median(tone, axis=1), BACKGROUND_TONE[background], atol=TONE_JITTER + 1 / 255)


def test_a_pan_moves_the_picture_the_other_way():
    group = replace(CIRCLE, direction="still", speed=None)
    for camera, expected in {
        "pan-left": (16, 0),
        "pan-right": (-16, 0),
        "pan-up": (0, 16),
        "pan-down": (0, -16),
    }.items():
        path = centres(render(Scene(objects=(group,), background="black", pattern="grid", camera=camera), 1))
        np.testing.assert_allclose(path[-1] - path[0], expected, atol=0.3)


def test_a_zoom_scales_the_object_by_half_as_much_again():
    group = replace(CIRCLE, size="medium", direction="still", speed=None)
    for camera, growth in {"zoom-in": 1.5, "zoom-out": 1 / 1.5}.items():
        scene = Scene(objects=(group,), background="black", pattern="dots", camera=camera)
        areas = object_mask(render(scene, 1, height=96, width=96)).sum(axis=(1, 2))
        assert math.sqrt(areas[-1] / areas[0]) == pytest.approx(growth, rel=0.03)


def test_patterns_repeat_and_differ():
    pictures = {}
    for pattern in ("grid", "checks", "stripes", "dots"):
        still = replace(CIRCLE, direction="still", speed=None)
        frame = render(Scene(objects=(still,), background="white", pattern=pattern), 0, frames=1)[0]
        plain = np.ptp(frame, axis=0) < 8
        period = int(PATTERN_PERIOD * 64)
        both = plain[:, period:] & plain[:, :-period]
        shifted = frame[0, :, period:].astype(int) - frame[0, :, :-period]
        assert np.abs(shifted[both]).max() <= 1
        pictures[pattern] = float(frame[0][plain].mean())
    assert len({round(mean) for mean in pictures.values()}) >= 3


@pytest.mark.parametrize("size", [{"frames": 0}, {"height": 15}, {"width": 8}])
def test_bad_sizes_are_refused(size):
    scene = Scene(objects=(CIRCLE,), background="black")
    with pytest.raises(UsageError, match=f"at least 1 frame and sides of 16 pixels, got .*{next(iter(size.values()))}"):
        render(scene, 0, **size)
