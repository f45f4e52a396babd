"""Is the ruler straight: what known defects do to metrics, on photographs and on moving shapes.

Where a metric falls for a trick, that is asserted as well, so that its card goes on saying so.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache

import clips
import corpora
import numpy as np
import pytest
import torch
from torch import Tensor

import metrics
from stepbench.video.h264 import H264Options, decode_h264, encode_h264

REFERENCE = ("psnr", "ssim")
TEMPORAL = (
    "flicker",
    "luma_flicker",
    "interpolation_smoothness",
    "duplicate_ratio",
    "freeze_length",
    "scene_cuts",
    "motion_magnitude",
    "dynamic_degree",
    "warping_error",
    "warping_ok_share",
    "frame_consistency",
)
PER_FRAME = (
    "sharpness",
    "noise_level",
    "blockiness",
    "exposure",
    "contrast",
    "clipping",
    "saturation",
    "colourfulness",
    "black_borders",
)

on_both = pytest.mark.parametrize("corpus", corpora.CORPORA)


def each(corpus: str, corrupt: Callable[..., Tensor], *amounts: float) -> Tensor:
    return torch.stack([corrupt(clip, *amounts) for clip in corpora.CORPORA[corpus]()])


def mean(metric: str, preds: Tensor, corpus: str) -> float:
    """Mean over the clips of a batch; the reference is the corpus itself."""
    target = [corpora.CORPORA[corpus]()] if metric in REFERENCE else []
    return float(getattr(metrics.functional, metric)(preds, *target).mean())


@lru_cache
def clean(metric: str, corpus: str) -> float:
    return mean(metric, corpora.CORPORA[corpus](), corpus)


def assert_monotone(values: Sequence[float], *, rises: bool, what: str) -> None:
    steps = [(after - before) * (1 if rises else -1) for before, after in itertools.pairwise(values)]
    assert min(steps) > 0, f"{what} should {'rise' if rises else 'fall'}: {values}"


def compressed_video(clip: Tensor, crf: float) -> Tensor:
    return torch.from_numpy(decode_h264(encode_h264(clip.numpy(), 8.0, H264Options(crf=crf))))


@on_both
def test_a_clip_against_itself_and_a_still(corpus: str):
    assert (clean("psnr", corpus), clean("ssim", corpus)) == (100.0, 1.0)
    still = each(corpus, clips.held, corpora.CORPORA[corpus]().shape[1] - 1)
    expected = {"flicker": 0, "luma_flicker": 0, "warping_error": 0, "interpolation_smoothness": 1, "scene_cuts": 0}
    assert {name: mean(name, still, corpus) for name in expected} == expected
    large = corpora.pan("coffee", frames=2, side=180)[None]
    assert float(metrics.functional.ms_ssim(large, large)) == 1.0


@on_both
def test_noise(corpus: str):
    noisy = [each(corpus, clips.with_noise, sigma) for sigma in (2, 5, 10, 20, 40)]
    for metric in REFERENCE:
        assert_monotone([mean(metric, batch, corpus) for batch in noisy], rises=False, what=metric)
    for metric in ("flicker", "warping_error", "luma_flicker", "sharpness", "noise_level"):
        values = [clean(metric, corpus), *(mean(metric, batch, corpus) for batch in noisy)]
        assert_monotone(values, rises=True, what=metric)
    values = [clean("interpolation_smoothness", corpus), *(mean("interpolation_smoothness", n, corpus) for n in noisy)]
    assert_monotone(values, rises=False, what="interpolation_smoothness")
    # The estimate is of luma: channels that are noisy on their own make 0.67 of it.
    assert mean("noise_level", noisy[-1], corpus) == pytest.approx(0.669 * 40, rel=0.15)


@on_both
def test_blur_and_the_loophole_it_is_for_temporal_metrics(corpus: str):
    blurred = [each(corpus, clips.blurred, sigma) for sigma in (0.5, 1, 2, 4)]
    for metric in REFERENCE:
        assert_monotone([mean(metric, batch, corpus) for batch in blurred], rises=False, what=metric)
    for metric, rises in (
        ("sharpness", False),
        ("contrast", False),
        ("flicker", False),
        ("interpolation_smoothness", True),
    ):
        values = [clean(metric, corpus), *(mean(metric, batch, corpus) for batch in blurred)]
        assert_monotone(values, rises=rises, what=metric)
    errors = [mean("warping_error", batch, corpus) for batch in blurred]
    assert_monotone([clean("warping_error", corpus), *errors[:3]], rises=False, what="warping_error")
    assert errors[3] < clean("warping_error", corpus) / 3


@on_both
def test_h264(corpus: str):
    compressed = [each(corpus, compressed_video, crf) for crf in (10, 20, 30, 40, 50)]
    for metric in (*REFERENCE, "colourfulness"):
        assert_monotone([mean(metric, batch, corpus) for batch in compressed], rises=False, what=metric)
    # Its deblocking filter hides blocks as long as there are bits for anything else.
    assert mean("blockiness", compressed[-1], corpus) > 1.15 * clean("blockiness", corpus)


@on_both
def test_jpeg_blocks(corpus: str):
    values = [mean("blockiness", each(corpus, clips.compressed, coarseness), corpus) for coarseness in (10, 40, 70, 90)]
    assert_monotone(values, rises=True, what="blockiness")
    assert values[-1] > 2


@on_both
def test_brightness_flicker(corpus: str):
    flickering = [each(corpus, clips.with_brightness_flicker, amount) for amount in (0.01, 0.02, 0.05, 0.1)]
    for metric in ("luma_flicker", "flicker", "warping_error"):
        values = [clean(metric, corpus), *(mean(metric, batch, corpus) for batch in flickering)]
        assert_monotone(values, rises=True, what=metric)
    assert mean("luma_flicker", flickering[-1], corpus) > 100 * clean("luma_flicker", corpus)
    assert mean("sharpness", flickering[-1], corpus) == pytest.approx(clean("sharpness", corpus), rel=0.1)
    assert mean("ssim", flickering[-1], corpus) > 0.99
    assert mean("scene_cuts", flickering[-2], corpus) == 0, "a flicker of 5 % is no cut"


@on_both
def test_shuffled_frames(corpus: str):
    shuffled = each(corpus, clips.shuffled)
    for metric in PER_FRAME:
        assert mean(metric, shuffled, corpus) == pytest.approx(clean(metric, corpus), rel=1e-10), metric
    assert mean("flicker", shuffled, corpus) > 2 * clean("flicker", corpus)
    assert mean("luma_flicker", shuffled, corpus) > 5 * clean("luma_flicker", corpus)
    assert mean("motion_magnitude", shuffled, corpus) > 3 * clean("motion_magnitude", corpus)
    assert mean("interpolation_smoothness", shuffled, corpus) < clean("interpolation_smoothness", corpus) - 0.03
    assert mean("warping_ok_share", shuffled, corpus) < clean("warping_ok_share", corpus) - 0.05
    # Objects that jump cannot be followed. A camera that jumps can: a shuffled pan is another, wilder pan.
    factor = {"moving shapes": 5, "photographs": 1.2}[corpus]
    assert mean("warping_error", shuffled, corpus) > factor * clean("warping_error", corpus)


@on_both
def test_reversed_time(corpus: str):
    backwards = each(corpus, clips.reversed_in_time)
    for metric in ("flicker", "interpolation_smoothness", "luma_flicker", "duplicate_ratio", "freeze_length"):
        assert mean(metric, backwards, corpus) == pytest.approx(clean(metric, corpus), rel=1e-12), metric
    assert mean("motion_magnitude", backwards, corpus) == pytest.approx(clean("motion_magnitude", corpus), rel=0.05)
    assert mean("warping_error", backwards, corpus) == pytest.approx(clean("warping_error", corpus), rel=0.05)


@on_both
def test_a_frozen_clip_wins_and_is_flagged(corpus: str):
    frames = corpora.CORPORA[corpus]().shape[1]
    frozen = each(corpus, clips.held, frames - 1)
    won = {"flicker": 0, "luma_flicker": 0, "warping_error": 0, "interpolation_smoothness": 1, "vbench_flicker": 1}
    flagged = {"duplicate_ratio": 1, "freeze_length": frames - 1, "motion_magnitude": 0, "dynamic_degree": 0}
    expected = won | flagged
    assert {name: mean(name, frozen, corpus) for name in expected} == expected
    assert clean("duplicate_ratio", corpus) == 0
    half = each(corpus, clips.held, frames // 2)
    assert mean("freeze_length", half, corpus) == frames // 2
    assert mean("duplicate_ratio", half, corpus) == pytest.approx(frames // 2 / (frames - 1))


@on_both
def test_jitter(corpus: str):
    jittery = [each(corpus, clips.jittered, pixels) for pixels in (0.1, 0.3, 0.6)]
    for metric, rises in (("interpolation_smoothness", False), ("warping_error", True), ("motion_magnitude", True)):
        values = [clean(metric, corpus), *(mean(metric, batch, corpus) for batch in jittery)]
        assert_monotone(values, rises=rises, what=metric)


def test_a_shaking_camera_leaves_each_frame_sharp():
    def shaky(name: str, pixels: float) -> Tensor:
        shifts = pixels * clips.rng(4).standard_normal((12, 2))
        places = [(10 + t * 1.3 + dx, 10 + t * 0.6 + dy) for t, (dx, dy) in enumerate(shifts)]
        return torch.cat([corpora.pan(name, frames=1, start=place) for place in places])

    batches = [torch.stack([shaky(name, pixels) for name in corpora.PHOTOGRAPHS]) for pixels in (0, 0.3, 1)]
    smoothness = [float(metrics.functional.interpolation_smoothness(batch).mean()) for batch in batches]
    assert_monotone(smoothness, rises=False, what="interpolation_smoothness")
    sharpness = [float(metrics.functional.sharpness(batch).mean()) for batch in batches]
    assert sharpness == pytest.approx([sharpness[0]] * 3, rel=0.05)


@pytest.mark.parametrize("velocity", [(1.5, 0.0), (-0.6, 2.0), (3.0, -1.0)])
def test_known_pans(velocity: tuple[float, float]):
    for name in corpora.PHOTOGRAPHS[:3]:
        pan = corpora.pan(name, velocity=velocity, frames=4, start=(20.0, 20.0))
        flow = metrics.ClipView(pan).forward_flow
        # The camera moves over the picture, so the picture moves the other way.
        assert np.median(flow, axis=(0, 1, 2)) == pytest.approx(np.negative(velocity), abs=0.1)
        expected = np.hypot(*velocity) * 256 / 96
        assert float(metrics.functional.motion_magnitude(pan[None], fps=8)) == pytest.approx(expected, rel=0.08)
        assert float(metrics.functional.motion_magnitude(pan[None], fps=16)) == pytest.approx(2 * expected, rel=0.08)


@on_both
def test_batch_size_order_and_layout_change_nothing(corpus: str):
    whole = corpora.CORPORA[corpus]()[:3, :8]
    apart = whole.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)  # the same pixels, channel last in memory
    assert not apart.is_contiguous()
    for metric in (*TEMPORAL, *PER_FRAME):
        function = getattr(metrics.functional, metric)
        together = function(whole).tolist()
        assert function(apart).tolist() == together, metric
        assert torch.cat([function(whole[index : index + 1]) for index in range(len(whole))]).tolist() == together, (
            metric
        )
        assert function(whole.flip(0)).tolist() == together[::-1], metric


@pytest.mark.parametrize("metric", [*TEMPORAL, *PER_FRAME, "vbench_flicker"])
def test_sizes_and_lengths_that_are_odd(metric: str):
    clip = corpora.pan("rocket", velocity=(0.0, 0.0), frames=5, side=97)[..., :63, :97]
    assert torch.isfinite(getattr(metrics.functional, metric)(clip[None])).all()


@pytest.mark.parametrize("metric", TEMPORAL)
def test_a_single_frame_has_no_temporal_score(metric: str):
    score = metrics.score_view(metrics.ClipView(corpora.pan("coffee", frames=1)), {"it": metrics.build(metric)})["it"]
    assert (score.status, score.value) == ("failed", None)
    assert "frames, got a clip of 1" in score.error
