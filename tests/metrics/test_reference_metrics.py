"""PSNR, SSIM and MS-SSIM against scikit-image and against arithmetic done by hand."""

from __future__ import annotations

import sys

import clips
import corpora
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.transform import downscale_local_mean

from metrics.errors import ClipError
from metrics.functional import capped_frames, ms_ssim, psnr, ssim
from metrics.functional.pixels import interleaved

REFERENCE = clips.moving(0)
PAIRS = {
    "noise": clips.with_noise(REFERENCE, 10),
    "blur": clips.blurred(REFERENCE, 2),
    "next frame": REFERENCE.roll(1, 0),
    "one level": (REFERENCE.int() + 1).clamp(max=255).to(torch.uint8),
    "inverse": 255 - REFERENCE,
    "white noise": torch.from_numpy(clips.rng(3).integers(0, 256, REFERENCE.shape, dtype=np.uint8)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_psnr_is_the_mean_over_frames_of_scikit_image(name: str):
    frames = zip(clips.as_levels(PAIRS[name]), clips.as_levels(REFERENCE), strict=True)
    expected = np.mean([peak_signal_noise_ratio(theirs, ours, data_range=255) for ours, theirs in frames])
    assert float(psnr(PAIRS[name][None], REFERENCE[None])) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_ssim_is_the_mean_over_frames_of_scikit_image(name: str):
    frames = zip(clips.as_levels(PAIRS[name]), clips.as_levels(REFERENCE), strict=True)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    expected = np.mean([structural_similarity(ours, theirs, channel_axis=2, **options) for ours, theirs in frames])
    assert float(ssim(PAIRS[name][None], REFERENCE[None])) == pytest.approx(expected, abs=1e-6)


def test_ssim_stays_exact_where_float32_cancels_most():
    half = np.zeros((1, 48, 48, 3))
    half[:, :, 24:] = 255
    clip, noisy = clips.as_clip(half), clips.as_clip(half + clips.rng(1).normal(0, 1, half.shape))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    expected = structural_similarity(clips.as_levels(noisy)[0], half[0], channel_axis=2, **options)
    assert float(ssim(noisy[None], clip[None])) == pytest.approx(expected, abs=1e-6)


def ms_ssim_of_scikit_image(ours: np.ndarray, theirs: np.ndarray) -> float:
    """MS-SSIM of two frames in levels, per channel: with a huge K1 its SSIM is the contrast-structure alone."""
    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    values = []
    for channel in range(3):
        x, y, value = ours[..., channel], theirs[..., channel], 1.0
        for scale, weight in enumerate(weights):
            k1 = 0.01 if scale == 4 else 1e6
            value *= max(structural_similarity(x, y, K1=k1, **options), 0) ** weight
            x, y = (
                downscale_local_mean(image[: len(image) // 2 * 2, : image.shape[1] // 2 * 2], 2) for image in (x, y)
            )
        values.append(value)
    return float(np.mean(values))


@pytest.mark.parametrize("size", [(176, 176), (181, 190)])
@pytest.mark.parametrize("change", ["noise", "blur", "jitter", "inverse"])
def test_ms_ssim_is_the_product_of_scikit_image_over_scales(change: str, size: tuple[int, int]):
    reference = corpora.pan("coffee", frames=2, side=190)[..., : size[0], : size[1]]
    changes = {"noise": clips.with_noise, "blur": clips.blurred, "jitter": clips.jittered}
    clip = 255 - reference if change == "inverse" else changes[change](reference, 3)
    pairs = zip(clips.as_levels(clip), clips.as_levels(reference), strict=True)
    expected = np.mean([ms_ssim_of_scikit_image(ours, theirs) for ours, theirs in pairs])
    assert float(ms_ssim(clip[None], reference[None])) == pytest.approx(expected, abs=2e-6)


def test_a_scale_of_ms_ssim_with_negative_structure_counts_as_nothing():
    reference = corpora.pan("coffee", frames=1, side=176)
    assert float(ms_ssim((255 - reference)[None], reference[None])) == 0.0


def test_ms_ssim_forgives_fine_noise_and_blur_more_than_ssim_does():
    reference = corpora.pan("astronaut", frames=2, side=176)
    for change in (clips.with_noise(reference, 10), clips.blurred(reference, 1)):
        assert float(ms_ssim(change[None], reference[None])) > float(ssim(change[None], reference[None])) + 0.03


def test_psnr_by_hand():
    # Frame 0 differs by 51 levels = 0.2 everywhere: MSE 0.04, 10 log10(25) = 13.9794 dB. Frame 1 is equal: 100 dB.
    target = clips.flat(100, frames=2)
    preds = target.clone()
    preds[0] += 51
    assert float(psnr(preds[None], target[None])) == pytest.approx((13.979400086720377 + 100) / 2)
    assert capped_frames(preds[None], target[None]).tolist() == [1]


def test_psnr_averages_frames_and_does_not_pool_their_errors():
    target = clips.flat(100, frames=2)
    preds = target.clone()
    preds[0] += 51
    preds[1] += 5
    pooled = 10 * np.log10(1 / np.mean([(51 / 255) ** 2, (5 / 255) ** 2]))
    assert float(psnr(preds[None], target[None])) > pooled + 5


def test_capped_frames_are_counted_per_clip():
    clean = clips.batch(2)
    preds = clean.clone()
    preds[1, :4] ^= 1
    assert capped_frames(preds, clean).tolist() == [clips.FRAMES, clips.FRAMES - 4]


def test_ssim_refuses_frames_smaller_than_its_window():
    small = torch.zeros(1, 2, 3, 10, 40, dtype=torch.uint8)
    with pytest.raises(ClipError, match="at least 11 x 11 pixels, got 10 x 40"):
        ssim(small, small)
    assert ssim(small.new_zeros(1, 2, 3, 11, 11), small.new_zeros(1, 2, 3, 11, 11)).tolist() == [1.0]


def test_ms_ssim_refuses_frames_without_a_fifth_scale():
    small = torch.zeros(1, 2, 3, 175, 400, dtype=torch.uint8)
    with pytest.raises(ClipError, match=r"(?s)at least 176 x 176 pixels, got 175 x 400.*only ssim is defined"):
        ms_ssim(small, small)


@pytest.mark.parametrize("function", [psnr, ssim, ms_ssim, capped_frames])
def test_pairs_must_match(function):
    clip = clips.batch(1)
    with pytest.raises(ClipError, match=r"got \(1, 5, 3, 48, 48\) for a clip \(1, 6, 3, 48, 48\)"):
        function(clip, clip[:, :5])
    with pytest.raises(ClipError, match=r"a reference must be uint8.*float32"):
        function(clip, clip.float())
    with pytest.raises(ClipError, match="a reference must be a torch tensor, got NoneType"):
        function(clip, None)


@pytest.mark.parametrize("at_once", [1, 2 * 48 * 48, 1 << 30])
def test_ssim_of_a_frame_does_not_depend_on_how_many_go_together(at_once: int, monkeypatch: pytest.MonkeyPatch):
    clip = clips.with_noise(REFERENCE, 10)
    alone = [float(ssim(ours[None, None], theirs[None, None])) for ours, theirs in zip(clip, REFERENCE, strict=True)]
    monkeypatch.setattr(sys.modules["metrics.functional.ssim"], "_PIXELS_AT_ONCE", at_once)
    assert float(ssim(clip[None], REFERENCE[None])) == pytest.approx(np.mean(alone), rel=1e-15)


@pytest.mark.parametrize("at_once", [1, 2 * 48 * 48, 1 << 30])
@pytest.mark.parametrize("channel_last", [False, True])
def test_interleaving_moves_the_channel_and_nothing_else(at_once: int, channel_last: bool, monkeypatch):
    monkeypatch.setattr(sys.modules["metrics.functional.pixels"], "_PIXELS_AT_ONCE", at_once)
    clip = REFERENCE[:5, :, :31]
    if channel_last:
        clip = clip.contiguous(memory_format=torch.channels_last)
    assert np.array_equal(interleaved(clip), clip.permute(0, 2, 3, 1).numpy())
