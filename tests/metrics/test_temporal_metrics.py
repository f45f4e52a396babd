"""Temporal metrics: values worked out by hand, and what they must tell apart."""

from __future__ import annotations

import clips
import corpora
import numpy as np
import pytest
import torch

from metrics.errors import ClipError, UndefinedScoreError
from metrics.functional import (
    duplicate_ratio,
    flicker,
    frame_consistency,
    freeze_length,
    interpolation_smoothness,
    luma_flicker,
    scene_cuts,
    sharpness,
    warping_error,
    warping_ok_share,
)
from metrics.functional.consistency import frame_descriptors
from metrics.functional.cuts import histogram_steps
from metrics.functional.warping import clip_warping, pair_warping


def test_flicker_by_hand():
    # Levels 0, 51, 51, 0: differences 0.2, 0, 0.2; their mean is 0.4 / 3.
    clip = torch.cat([clips.flat(level, frames=1) for level in (0, 51, 51, 0)])
    assert float(flicker(clip[None])) == pytest.approx(0.4 / 3, rel=1e-12)


def test_flicker_counts_rises_and_falls_alike_without_wrapping():
    clip = clips.flat(250, frames=2)
    clip[1, 0], clip[1, 1] = 10, 255
    # Red falls by 240, green rises by 5, blue stays: 245 of 3 * 255.
    assert float(flicker(clip[None])) == pytest.approx(245 / (3 * 255), rel=1e-12)


def test_sharpness_by_hand():
    # A single bright pixel in a 5 x 5 frame: the Laplacian over the 3 x 3 inner pixels is 100 * [0 1 0; 1 -4 1; 0 1 0].
    clip = torch.zeros(1, 3, 5, 5, dtype=torch.uint8)
    clip[..., 2, 2] = 100
    # Sum 0; squares 4 + 16 = 20; variance 20 / 9 * 100^2.
    assert float(sharpness(clip[None])) == pytest.approx(20 / 9 * 1e4, rel=1e-5)


def test_sharpness_uses_luma_weights():
    red = torch.zeros(1, 3, 5, 5, dtype=torch.uint8)
    red[:, 0, 2, 2] = 100
    assert float(sharpness(red[None])) == pytest.approx(0.299**2 * 20 / 9 * 1e4, rel=1e-5)


def test_sharpness_refuses_frames_without_inner_pixels():
    with pytest.raises(ClipError, match="at least 3 x 3 pixels, got 2 x 9"):
        sharpness(torch.zeros(1, 1, 3, 2, 9, dtype=torch.uint8))


def test_warping_error_by_hand():
    # Zero flow; frame 1 is 51 levels = 0.2 brighter in one of three channels: 0.04 / 3.
    pixels = np.full((2, 16, 16, 3), 100, np.uint8)
    pixels[1, ..., 0] += 51
    still = np.zeros((1, 16, 16, 2), np.float32)
    assert clip_warping(pair_warping(pixels, still, still)) == pytest.approx((0.04 / 3, 1.0), rel=1e-6)


@pytest.mark.parametrize("dx", [0.013, 0.37, 2.0])
def test_warping_undoes_a_known_motion_exactly(dx: float):
    # On a ramp of 4 levels per column, motion by dx brings 4 dx levels less; warping with that flow brings them back.
    ramp = np.broadcast_to(4.0 * np.arange(40)[None, :, None], (20, 40, 3))
    before, after = ramp, ramp - 4 * dx
    flow = np.zeros((1, 20, 40, 2), np.float32)
    flow[..., 0] = dx
    frames = np.stack([before, after])  # float levels: rounding is not under test here
    result = clip_warping(pair_warping(frames, flow, -flow))
    assert result.error == pytest.approx(0, abs=1e-10)
    assert result.share == pytest.approx((40 - np.ceil(dx)) / 40)


def test_warping_ignores_pixels_whose_flows_disagree():
    pixels = np.full((2, 16, 16, 3), 100, np.uint8)
    pixels[1, :8] = 255
    forward, backward = np.zeros((1, 16, 16, 2), np.float32), np.zeros((1, 16, 16, 2), np.float32)
    backward[0, :8] = 5.0
    result = clip_warping(pair_warping(pixels, forward, backward))
    assert (result.error, result.share) == (0.0, 0.5)


def test_warping_error_is_undefined_where_flow_fails():
    pixels = np.zeros((2, 16, 16, 3), np.uint8)
    outwards = np.full((1, 16, 16, 2), 100.0, np.float32)
    result = clip_warping(pair_warping(pixels, outwards, -outwards))
    assert (np.isnan(result.error), result.share) == (True, 0.0)
    with pytest.raises(UndefinedScoreError, match=r"trusted on 0\.0% of the pixels, and 5% are needed"):
        result.defined_error()


def test_warping_error_and_its_share_of_the_clip_go_together():
    followed = clips.example(0)
    lost = torch.from_numpy(clips.rng(1).integers(0, 256, followed.shape, dtype=np.uint8))
    assert float(warping_ok_share(lost[None])) < 0.6 < 0.9 < float(warping_ok_share(followed[None]))


def test_warping_error_forgives_motion_that_flicker_counts():
    slow, fast = clips.moving(1, velocity=(0.5, 0.0)), clips.moving(1, velocity=(3.0, 0.0))
    assert float(flicker(fast[None])) > 3 * float(flicker(slow[None]))
    assert float(warping_error(fast[None])) < 0.1 * float(flicker(fast[None])) ** 2


def test_shuffled_frames_cost_every_temporal_metric():
    clip = clips.moving(0, velocity=(2.0, 1.0))[None]
    shuffled = clips.shuffled(clip[0])[None]
    assert float(flicker(shuffled)) > 1.5 * float(flicker(clip))
    assert float(warping_error(shuffled)) > 5 * float(warping_error(clip))
    assert float(frame_consistency(shuffled)) < float(frame_consistency(clip)) - 0.05


def test_frame_consistency_tells_one_scene_from_many():
    still, slow = clips.still(0), clips.moving(0, velocity=(0.3, 0.0))
    cut = torch.cat([clips.still(0, frames=3), clips.still(9, frames=3)])
    unrelated = torch.cat([clips.still(seed, frames=1) for seed in range(10, 22)])
    values = [float(frame_consistency(clip[None])) for clip in (still, slow, cut, unrelated)]
    assert values == sorted(values, reverse=True)
    assert values[1] > 0.9
    assert values[3] < 0.7


def test_frame_consistency_by_hand():
    # Black, white, black. Layout: none anywhere, cosine 1. Colour: -0.5 or 0.5 beside the constant 0.25, so the cosine
    # of black and white is (-0.25 + 0.0625) / 0.3125 = -0.6. Frame 2: neighbour and first -0.6, mean -0.6. Frame 3:
    # neighbour -0.6, first 1, mean 0.2. Over both frames -0.2; over both blocks (1 - 0.2) / 2.
    clip = torch.cat([clips.flat(level, frames=1) for level in (0, 255, 0)])
    assert float(frame_consistency(clip[None])) == pytest.approx(0.4, rel=1e-6)


def test_frame_consistency_of_a_still_clip_is_one():
    assert float(frame_consistency(clips.still(3)[None])) == pytest.approx(1, abs=1e-12)


def test_frame_consistency_does_not_see_a_few_levels_of_brightness_on_grey():
    clip = torch.cat([clips.flat(level, frames=1) for level in (126, 130, 126, 130)])
    assert float(frame_consistency(clip[None])) > 0.999


def test_descriptors_are_unit_vectors():
    descriptors = frame_descriptors(clips.moving(0).permute(0, 2, 3, 1).numpy())
    assert np.linalg.norm(descriptors, axis=1) == pytest.approx(np.ones(clips.FRAMES))


def test_frame_consistency_refuses_frames_smaller_than_its_grid():
    with pytest.raises(ClipError, match="at least 8 x 8 pixels, got 7 x 30"):
        frame_consistency(torch.zeros(1, 2, 3, 7, 30, dtype=torch.uint8))


@pytest.mark.parametrize("function", [flicker, warping_error, warping_ok_share, frame_consistency])
def test_one_frame_is_too_few(function):
    with pytest.raises(ClipError, match="needs at least 2 frames, got a clip of 1"):
        function(clips.batch(1)[:, :1])


def of_levels(*levels: int) -> torch.Tensor:
    """A batch of one clip of flat frames."""
    return torch.cat([clips.flat(level, frames=1) for level in levels])[None]


def test_luma_flicker_by_hand():
    # Levels 0, 51, 51, 0: second differences -0.2 and -0.2 of full scale.
    assert float(luma_flicker(of_levels(0, 51, 51, 0))) == pytest.approx(0.2, abs=1e-7)
    # Green alone: 0.587 of it. 100 up and down again: |0 - 200 + 0| / 255.
    green = torch.zeros(1, 3, 3, 4, 4, dtype=torch.uint8)
    green[:, 1, 1] = 100
    assert float(luma_flicker(green)) == pytest.approx(0.587 * 200 / 255, rel=1e-6)


def test_luma_flicker_ignores_fades_and_flicker_that_cancels():
    assert float(luma_flicker(of_levels(20, 40, 60, 80, 100))) == pytest.approx(0, abs=1e-7)
    swapping = torch.zeros(1, 4, 3, 4, 4, dtype=torch.uint8)
    swapping[:, ::2, ..., :2] = swapping[:, 1::2, ..., 2:] = 255
    assert float(luma_flicker(swapping)) == 0.0
    assert float(flicker(swapping)) == 1.0


def test_interpolation_smoothness_by_hand():
    # 0, 51, 51, 0: the neighbours of either inner frame average 25.5, half of 0.2 away.
    assert float(interpolation_smoothness(of_levels(0, 51, 51, 0))) == pytest.approx(0.9, rel=1e-12)
    assert float(interpolation_smoothness(of_levels(0, 100, 200))) == 1.0
    assert float(interpolation_smoothness(of_levels(255, 0, 255))) == 0.0


def test_interpolation_smoothness_is_vbench_with_an_average_for_a_network():
    clip = clips.as_levels(clips.example(1)) / 255
    predicted = (clip[:-2] + clip[2:]) / 2
    expected = 1 - np.abs(clip[1:-1] - predicted).mean()
    assert float(interpolation_smoothness(clips.example(1)[None])) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("levels", "ratio", "length"),
    [
        ((5, 5), 1, 1),
        ((5, 6), 0, 0),
        ((5, 5, 5, 9, 9, 5), 3 / 5, 2),
        ((1, 2, 2, 3, 3, 3, 3), 4 / 6, 3),
        ((1, 2, 3, 4), 0, 0),
    ],
)
def test_repeats_by_hand(levels: tuple[int, ...], ratio: float, length: int):
    assert float(duplicate_ratio(of_levels(*levels))) == pytest.approx(ratio)
    assert float(freeze_length(of_levels(*levels))) == length


def test_frames_that_differ_by_half_a_level_are_no_repeats():
    clip = of_levels(7, 7)
    half = clip[0, 0].numel() // 2
    clip[0, 1].view(-1)[: half - 1] += 1
    assert float(duplicate_ratio(clip)) == 1.0
    clip[0, 1].view(-1)[:half] = 8
    assert float(duplicate_ratio(clip)) == 0.0


def test_cuts_between_photographs_are_counted_and_fast_pans_are_not():
    names = ("astronaut", "coffee", "rocket", "chelsea")
    cut = torch.cat([corpora.pan(name, frames=3) for name in names])
    assert float(scene_cuts(cut[None])) == len(names) - 1
    for name in names:
        assert float(scene_cuts(corpora.pan(name, velocity=(12.0, 0.0), frames=4)[None])) == 0.0


def test_histogram_distance_is_chi_squared_over_shared_bins():
    pixels = np.zeros((2, 1, 1, 3), np.uint8)
    pixels[1] = 255
    assert histogram_steps(pixels) == pytest.approx([1.0])  # no bin in common
    pixels[1] = (0, 0, 255)
    assert histogram_steps(pixels) == pytest.approx([1 / 3])
    # Levels 100 and 104, with bin centres at 8 k + 3.5: shares fall linearly with the distance, up to 32 levels.
    centres = 8 * np.arange(32) + 3.5
    shares = [np.maximum(0, 32 - np.abs(level - centres)) for level in (100, 104)]
    a, b = (share / share.sum() for share in shares)
    expected = sum((p - q) ** 2 / (p + q) / 2 for p, q in zip(a, b, strict=True) if p + q)
    pixels[0], pixels[1] = 100, 104
    assert histogram_steps(pixels) == pytest.approx([expected])


@pytest.mark.parametrize("function", [luma_flicker, interpolation_smoothness])
def test_two_frames_are_too_few_for_a_second_difference(function):
    with pytest.raises(ClipError, match="needs at least 3 frames, got a clip of 2"):
        function(clips.batch(1)[:, :2])


def test_sums_over_large_frames_do_not_overflow():
    # 2160 x 3840 x 3 pixels that differ by 255 add up to more than 2^32.
    clip = torch.zeros(1, 2, 3, 2160, 3840, dtype=torch.uint8)
    clip[:, 1] = 255
    assert float(flicker(clip)) == 1.0
