"""Flow and motion magnitude on textures that move by a known vector."""

from __future__ import annotations

import clips
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import ClipError
from metrics.functional import motion_magnitude
from metrics.functional.flow import clip_flow, flow_frames


def pixels(clip: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(clip.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize("side", [32, 64, 96, 160])
@pytest.mark.parametrize("velocity", [(0.3, 0.0), (1.0, 0.0), (0.0, -1.5), (3.0, 2.0)])
def test_known_translations(side: int, velocity: tuple[float, float]):
    frames = pixels(clips.moving(0, velocity=velocity, frames=2, side=side, scale=3.0))
    assert np.median(clip_flow(frames), axis=(0, 1, 2)) == pytest.approx(velocity, abs=0.1)
    assert np.median(clip_flow(frames, backward=True), axis=(0, 1, 2)) == pytest.approx(np.negative(velocity), abs=0.1)


def test_fine_texture_on_small_frames_keeps_its_fractions_of_a_pixel():
    # At half resolution, where the preset stops, this comes out a fifth too long.
    frames = pixels(clips.moving(0, velocity=(0.3, 0.0), frames=3, side=64, scale=1.5))
    assert np.hypot(*np.moveaxis(clip_flow(frames), -1, 0)).mean() == pytest.approx(0.3, rel=0.08)


@given(dx=st.floats(-3, 3), dy=st.floats(-3, 3), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_any_small_translation_at_64_pixels(dx: float, dy: float, seed: int):
    frames = pixels(clips.moving(seed, velocity=(dx, dy), frames=2, side=64, scale=3.0))
    assert np.median(clip_flow(frames), axis=(0, 1, 2)) == pytest.approx((dx, dy), abs=0.15)


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0, 4.0])
def test_motion_magnitude_is_speed_in_units_of_256_pixels_and_8_fps(speed: float):
    clip = clips.moving(2, velocity=(speed, 0.0), frames=3, side=64, scale=3.0)[None]
    assert float(motion_magnitude(clip, fps=8)) == pytest.approx(4 * speed, rel=0.05)
    assert float(motion_magnitude(clip, fps=24)) == pytest.approx(3 * float(motion_magnitude(clip, fps=8)))
    assert float(motion_magnitude(clip)) == float(motion_magnitude(clip, fps=8))


def test_motion_magnitude_does_not_depend_on_size():
    small = clips.moving(3, velocity=(1.0, 0.5), frames=3, side=64, scale=3.0)
    large = clips.moving(3, velocity=(5.0, 2.5), frames=3, side=320, scale=15.0)
    # 320 pixels are shrunk to 256 before flow is computed.
    assert flow_frames(pixels(large)).shape == (3, 256, 256, 3)
    values = [float(motion_magnitude(clip[None])) for clip in (small, large)]
    assert values == pytest.approx([4 * np.hypot(1.0, 0.5)] * 2, rel=0.05)


def test_motion_does_not_depend_on_the_long_side():
    wide = clips.moving(3, velocity=(1.0, 0.0), frames=2, side=96, scale=3.0)[:, :, :48]
    assert float(motion_magnitude(wide[None])) == pytest.approx(256 / 48, rel=0.05)
    large = torch.zeros(1, 3, 300, 601, dtype=torch.uint8)
    assert flow_frames(pixels(large)).shape == (1, 256, 513, 3)


def test_backward_flow_is_the_flow_of_the_reversed_clip():
    frames = pixels(clips.moving(1))
    assert np.array_equal(clip_flow(frames, backward=True), clip_flow(frames[::-1].copy())[::-1])


@pytest.mark.parametrize("shape", [(16, 16), (16, 400), (400, 16), (17, 23), (127, 131), (257, 259)])
def test_odd_and_thin_frames_are_fine(shape: tuple[int, int]):
    # Below the minimum, and on thin frames at half resolution, OpenCV reads past the image.
    noise = torch.from_numpy(clips.rng(5).integers(0, 256, (1, 2, 3, *shape), dtype=np.uint8))
    assert torch.isfinite(motion_magnitude(noise)).all()


def test_too_small_frames_are_refused():
    with pytest.raises(ClipError, match="at least 16 x 16 pixels, got 15 x 64"):
        motion_magnitude(torch.zeros(1, 2, 3, 15, 64, dtype=torch.uint8))


@pytest.mark.parametrize("fps", [0, -8, float("nan"), float("inf")])
def test_impossible_frame_rates_are_refused(fps: float):
    with pytest.raises(ClipError, match="frames per second must be a positive number"):
        motion_magnitude(clips.batch(1), fps=fps)
