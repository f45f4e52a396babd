"""Metrics of single frames without a reference: closed forms, scikit-image, and what they must tell apart."""

from __future__ import annotations

import clips
import corpora
import numpy as np
import pytest
import torch
from skimage.color import rgb2gray, rgb2hsv, rgb2ycbcr
from torch import Tensor

from metrics.errors import ClipError
from metrics.functional import (
    black_borders,
    blockiness,
    clipping,
    colourfulness,
    contrast,
    exposure,
    noise_level,
    saturation,
)
from metrics.functional.pixels import luma


def patches(*colours: tuple[int, int, int], side: int = 4) -> Tensor:
    """A batch of one clip of one frame: equal patches of these colours side by side."""
    frame = torch.cat(
        [torch.tensor(colour, dtype=torch.uint8)[:, None, None].repeat(1, side, side) for colour in colours], 2
    )
    return frame[None, None]


def test_luma_is_rec_601():
    levels = clips.as_levels(corpora.pan("coffee", frames=1)).astype(np.uint8)
    # scikit-image has luma on 16 to 235, and grey by the weights of Rec. 709, which must not be taken for it.
    expected = (rgb2ycbcr(levels)[..., 0] - 16) / 219 * 255
    assert luma(levels) == pytest.approx(expected, abs=0.01)
    assert np.abs(luma(levels) - 255 * rgb2gray(levels)).max() > 3


def test_exposure_and_contrast_by_hand():
    clip = patches((51, 51, 51), (153, 153, 153))
    assert float(exposure(clip)) == pytest.approx(0.4)
    assert float(contrast(clip)) == pytest.approx(0.2)
    assert float(exposure(patches((100, 200, 50)))) == pytest.approx((29.9 + 117.4 + 5.7) / 255)
    assert float(contrast(patches((0, 0, 0), (255, 255, 255)))) == pytest.approx(0.5), "the widest there is"


def test_contrast_lies_within_frames_and_not_between_them():
    clip = torch.cat([clips.flat(level, frames=1) for level in (0, 255)])
    assert float(contrast(clip[None])) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    ("level", "share"), [(0, 1), (2, 1), (3, 0), (128, 0), (252, 0), (253, 1), (255, 1)], ids=lambda value: str(value)
)
def test_grey_clips_at_either_end(level: int, share: float):
    assert float(clipping(clips.flat(level)[None])) == share


def test_a_saturated_colour_is_not_clipped():
    assert float(clipping(patches((255, 0, 0), (0, 255, 0), (1, 2, 3), (255, 255, 250)))) == 0.5


@pytest.mark.parametrize("name", corpora.PHOTOGRAPHS)
def test_saturation_is_that_of_scikit_image(name: str):
    clip = corpora.pan(name, frames=2)
    expected = rgb2hsv(clips.as_levels(clip).astype(np.uint8))[..., 1].mean()
    assert float(saturation(clip[None])) == pytest.approx(expected, rel=1e-9)


def test_saturation_by_hand():
    # Black 0, grey 0, (200, 100, 100) 1/2, pure blue 1.
    assert float(saturation(patches((0, 0, 0), (9, 9, 9), (200, 100, 100), (0, 0, 8)))) == pytest.approx(1.5 / 4)


def test_colourfulness_by_hand():
    # Red and blue halves: rg = 255, 0 and yb = 127.5, -255. Means 127.5 and -63.75, standard deviations 127.5, 191.25.
    expected = np.hypot(127.5, 191.25) + 0.3 * np.hypot(127.5, 63.75)
    assert float(colourfulness(patches((255, 0, 0), (0, 0, 255)))) == pytest.approx(expected)


@pytest.mark.parametrize("name", corpora.PHOTOGRAPHS)
def test_colourfulness_from_its_definition(name: str):
    clip = corpora.pan(name, frames=1)
    red, green, blue = clips.as_levels(clip)[0].reshape(-1, 3).T
    rg, yb = red - green, 0.5 * (red + green) - blue
    expected = np.sqrt(rg.var() + yb.var()) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
    assert float(colourfulness(clip[None])) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sigma", [3.0, 10.0, 25.0])
def test_noise_level_is_the_deviation_of_white_noise(sigma: float):
    grey = 128 + sigma * clips.rng(3).standard_normal((2, 200, 200, 1)).repeat(3, axis=-1)
    assert float(noise_level(clips.as_clip(grey)[None])) == pytest.approx(sigma, rel=0.03)
    ramp = grey + np.linspace(-60, 60, 200)[:, None] + np.linspace(-30, 30, 200)[None, :, None]
    assert float(noise_level(clips.as_clip(ramp)[None])) == pytest.approx(sigma, rel=0.05), (
        "content that is linear is none"
    )


def test_noise_level_hardly_sees_edges():
    chequered = np.kron(np.indices((6, 6)).sum(axis=0) % 2, np.ones((32, 32)))[None, ..., None].repeat(3, axis=-1)
    noisy = clips.as_clip(60 + 130 * chequered + 5 * clips.rng(2).standard_normal((1, 192, 192, 1)))
    assert float(noise_level(clips.as_clip(255 * chequered)[None])) == 0.0
    assert float(noise_level(noisy[None])) == pytest.approx(5, rel=0.12)


def test_blockiness_by_hand():
    # Blocks 40 levels apart and flat within: all steps lie on the grid. (40 + 0.1) / 0.1.
    blocks = np.kron(np.indices((3, 3)).sum(axis=0) % 2, np.ones((8, 8)))[None, ..., None].repeat(3, axis=-1)
    assert float(blockiness(clips.as_clip(100 + 40 * blocks)[None])) == pytest.approx(401, rel=1e-4)
    # A ramp of 4 levels per column has the same step everywhere along x, none along y: the grid cannot be seen.
    ramp = np.broadcast_to(4.0 * np.arange(32)[None, None, :, None], (1, 32, 32, 3))
    assert float(blockiness(clips.as_clip(ramp)[None])) == pytest.approx(1, rel=1e-5)


def test_blockiness_counts_the_grid_from_the_corner():
    compressed = clips.compressed(corpora.pan("astronaut", frames=1), 90)
    aligned, moved = (float(blockiness(clip[None])) for clip in (compressed[..., 8:, 16:], compressed[..., 4:, 4:]))
    assert aligned > 1.5
    assert moved < 1, "half a block further the borders count as content"


@pytest.mark.parametrize(
    ("top", "bottom", "left", "right"), [(0, 0, 0, 0), (3, 3, 0, 0), (0, 0, 5, 5), (4, 0, 2, 1), (24, 24, 0, 0)]
)
def test_black_borders_by_hand(top: int, bottom: int, left: int, right: int):
    clip = clips.flat(90)
    clip[..., :top, :] = clip[..., 48 - bottom :, :] = clip[..., :left] = clip[..., 48 - right :] = 15
    expected = 1 - max(48 - top - bottom, 0) * (48 - left - right) / 48**2
    assert float(black_borders(clip[None])) == pytest.approx(expected)


def test_a_border_is_black_in_all_frames_and_up_to_the_edge():
    clip = clips.flat(90)
    clip[:, :, 10:20] = 0
    assert float(black_borders(clip[None])) == 0.0, "a bar across the middle is no border"
    clip[:, :, :10] = 0
    clip[-1, :, 0, 0] = 16
    assert float(black_borders(clip[None])) == 0.0, "something shows in the corner of the last frame"


@pytest.mark.parametrize(("function", "side"), [(noise_level, 3), (blockiness, 16)])
def test_frames_that_are_too_small_are_refused(function, side: int):
    with pytest.raises(ClipError, match=f"at least {side} x {side} pixels, got {side - 1} x 40"):
        function(torch.zeros(1, 1, 3, side - 1, 40, dtype=torch.uint8))
    assert torch.isfinite(function(torch.zeros(1, 1, 3, side, side, dtype=torch.uint8))).all()


@pytest.mark.parametrize(
    "function", [exposure, contrast, clipping, saturation, colourfulness, black_borders, noise_level, blockiness]
)
def test_one_frame_is_enough_and_odd_sizes_are_fine(function):
    clip = corpora.pan("chelsea", frames=1, side=97)[..., :61]
    assert torch.isfinite(function(clip[None])).all()
