"""What known defects do to distances between features of random networks, of frames (R2) and of clips (R3).

Every damaged clip is held against its own original, so that few clips suffice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import clips
import corpora
import numpy as np
import pytest
import torch
from test_metric_validity import compressed_video, each
from torch import Tensor

from metrics.backbones import load_backbone, load_frame_backbone
from metrics.functional import frechet_distance

on_both = pytest.mark.parametrize("corpus", corpora.CORPORA)
FRAMES = 12


def of_frames(preds: Tensor, target: Tensor) -> float:
    """R2: every frame is a point, whatever its place in time."""
    network = load_frame_backbone("random-2d")
    return float(frechet_distance(*(network.frame_features(side.flatten(0, 1)) for side in (preds, target))))


def of_clips(preds: Tensor, target: Tensor) -> float:
    """R3."""
    network = load_backbone("random-3d", frames=FRAMES)
    return float(frechet_distance(*(network.features(side) for side in (preds, target))))


def cut(corpus: str) -> Tensor:
    return corpora.CORPORA[corpus]()[:, :FRAMES]


def values(distance: Callable[[Tensor, Tensor], float], corpus: str, corrupt: Callable[..., Tensor], *amounts: float):
    return [distance(each(corpus, corrupt, amount)[:, :FRAMES], cut(corpus)) for amount in amounts]


def assert_rises(found: list[float]) -> None:
    assert all(before < after for before, after in itertools.pairwise(found)), found


@on_both
def test_noise_and_blur_raise_both(corpus: str):
    for distance in (of_frames, of_clips):
        assert_rises(values(distance, corpus, clips.with_noise, 2, 5, 10, 20, 40))
        assert_rises(values(distance, corpus, clips.blurred, 0.5, 1, 2, 4))


@on_both
def test_compression_raises_that_of_frames(corpus: str):
    assert_rises(values(of_frames, corpus, compressed_video, 10, 20, 30, 40, 50))


@on_both
def test_jitter_raises_that_of_clips(corpus: str):
    assert_rises(values(of_clips, corpus, clips.jittered, 0.1, 0.3, 0.6))


@on_both
def test_order_in_time_matters_to_clips_alone(corpus: str):
    target = cut(corpus)
    shuffled = torch.stack([clips.shuffled(clip) for clip in target])
    backwards = target.flip(1)
    scale = float(load_frame_backbone("random-2d").frame_features(target.flatten(0, 1)).double().var(dim=0).sum())
    for other in (shuffled, backwards):
        assert of_frames(other, target) < 1e-5 * scale
    (of_noise,) = values(of_clips, corpus, clips.with_noise, 2)
    # Noise is more of a change where most of a frame is flat.
    assert of_clips(shuffled, target) > {"photographs": 100, "moving shapes": 20}[corpus] * of_noise
    assert of_clips(backwards, target) > 0
    if corpus == "moving shapes":  # a pan that runs backwards is no more like the original than a shuffled one
        assert of_clips(backwards, target) < of_clips(shuffled, target)


def test_the_order_of_clips_and_their_company_do_not_matter():
    target = cut("moving shapes")
    network = load_backbone("random-3d", frames=FRAMES)
    together = network.features(target).numpy()
    for size in (1, 3):
        apart = torch.cat([network.features(part) for part in target.split(size)]).numpy()
        assert np.abs(apart - together).max() <= 1e-6 * np.abs(together).max()
