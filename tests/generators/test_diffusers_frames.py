from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from stepbench.errors import Refused
from stepbench.generators.diffusers_frames import OutputError, clip_of

CLIP = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 6), dtype=np.uint8)
LAST = CLIP.transpose(0, 2, 3, 1)
UNIT = (LAST / 255).astype(np.float32)
PICTURES = [Image.fromarray(frame) for frame in LAST]


@pytest.mark.parametrize(
    "frames",
    [
        UNIT[None],
        UNIT,
        [UNIT],
        list(UNIT),
        UNIT.astype(np.float64)[None],
        LAST[None],
        [PICTURES],
        PICTURES,
        [[picture.convert("RGBA") for picture in PICTURES]],
        torch.from_numpy(CLIP / 255)[None],
        torch.from_numpy(CLIP / 255).half(),
        torch.from_numpy(CLIP.copy())[None],
        [torch.from_numpy(frame / 255) for frame in CLIP],
    ],
)
def test_every_form_of_the_same_clip_gives_the_same_clip(frames):
    clip = clip_of(SimpleNamespace(frames=frames))
    assert clip.dtype == np.uint8
    assert clip.flags["C_CONTIGUOUS"]
    assert (clip == CLIP).all()
    assert (clip_of(SimpleNamespace(video=frames)) == CLIP).all()


def test_the_first_clip_of_a_batch_is_taken():
    assert (clip_of(SimpleNamespace(frames=np.stack([UNIT, UNIT[::-1]]))) == CLIP).all()
    assert (clip_of(SimpleNamespace(frames=[PICTURES, PICTURES[::-1]])) == CLIP).all()


def test_rounding_is_to_the_nearest_level_and_a_hair_over_the_range_is_forgiven():
    levels = np.array([-0.0005, 0.49 / 255, 0.51 / 255, 254.4 / 255, 254.6 / 255, 1.0005], dtype=np.float32)
    frames = np.broadcast_to(levels[None, None, :, None], (1, 2, 6, 3))
    assert clip_of(SimpleNamespace(frames=frames))[0, 0, 0].tolist() == [0, 0, 1, 254, 255, 255]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (UNIT * np.nan, "frames must lie from 0 to 1, the pipeline returned nan to nan; .*try dtype=float32"),
        (UNIT * 255, "frames must lie from 0 to 1, the pipeline returned 0 to 255"),
        (UNIT * 2 - 1, "frames must lie from 0 to 1, the pipeline returned -1 to 1"),
        (LAST.astype(np.int64), "frames must be uint8 or floating point, the pipeline returned int64"),
        (UNIT[0], r"a clip has the shape \(time, height, width, 3\), the pipeline returned \(4, 6, 3\)"),
        (CLIP[None], r"the pipeline returned \(5, 3, 4, 6\)"),
        (UNIT[None, :0], r"the pipeline returned \(0, 4, 6, 3\)"),
    ],
)
def test_what_is_no_clip_is_an_error(frames, message):
    with pytest.raises(OutputError, match=message):
        clip_of(SimpleNamespace(frames=frames))


def test_pictures_alone_are_no_video():
    with pytest.raises(OutputError, match="SimpleNamespace has no frames: the pipeline makes no video"):
        clip_of(SimpleNamespace(images=PICTURES))


@pytest.mark.parametrize("frames", [None, [], [None]])
def test_withheld_frames_are_a_refusal(frames):
    with pytest.raises(Refused, match="the pipeline returned no frames"):
        clip_of(SimpleNamespace(frames=frames))


def test_a_flagged_clip_is_a_refusal():
    with pytest.raises(Refused, match="safety checker flagged the clip"):
        clip_of(SimpleNamespace(frames=[PICTURES], nsfw_content_detected=[True]))
    assert (clip_of(SimpleNamespace(frames=[PICTURES], nsfw_content_detected=[False])) == CLIP).all()
    assert (clip_of(SimpleNamespace(frames=[PICTURES], nsfw_content_detected=None)) == CLIP).all()
