"""Frames reach a network as its publisher's image processor, or VBench's transforms, would hand them over."""

from __future__ import annotations

import json

import clips
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from metrics.backbones.frame_recipe import FrameRecipe, frame_batches, read_recipe
from metrics.errors import UnavailableMetricError

STATED = {"do_resize": True, "image_mean": CLIP_MEAN, "image_std": CLIP_STD}
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}
"""Leaves levels as they are."""


def wide_clip(height: int, width: int) -> torch.Tensor:
    side = max(height, width)
    return clips.moving(3, frames=2, side=side)[..., :height, :width]


def stated(tmp_path, **fields):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(STATED | fields))
    return read_recipe(tmp_path)


@pytest.mark.parametrize("size", [(48, 85), (97, 60), (20, 31)])
@pytest.mark.parametrize(("name", "pillow"), [("bicubic", 3), ("bilinear", 2)])
def test_levels_are_those_of_pillow(size, name, pillow):
    clip = wide_clip(*size)
    recipe = FrameRecipe(size=32, crop=(32, 32), filter=name, **PLAIN)
    short = min(size)
    height, width = (32 * side // short for side in size)
    top, left = (height - 32) // 2, (width - 32) // 2
    for frame, levels in zip(clip, recipe.apply(clip), strict=True):
        image = Image.fromarray(frame.permute(1, 2, 0).numpy()).resize((width, height), pillow)
        expected = np.asarray(image.crop((left, top, left + 32, top + 32))).transpose(2, 0, 1)
        difference = np.abs(levels.numpy() - expected.astype(np.float64))
        assert difference.max() < 1.001  # Pillow's weights have 22 bits, so a level that lies between two can tip
        assert (difference > 0.5).mean() < 0.01


def test_a_square_recipe_squashes():
    clip = wide_clip(40, 60)
    recipe = FrameRecipe(size=(32, 24), crop=None, filter="bilinear", **PLAIN)
    expected = np.asarray(Image.fromarray(clip[0].permute(1, 2, 0).numpy()).resize((24, 32), 2)).transpose(2, 0, 1)
    assert np.abs(recipe.apply(clip)[0].numpy() - expected.astype(np.float64)).max() < 1.001


@pytest.mark.parametrize("size", [(48, 85), (60, 99), (24, 37)])
def test_vbench_profile_is_vbench_s_transform_of_clip(size):
    # VBench hands over float frames, so nothing is rounded or clamped after its resize.
    clip = wide_clip(*size)
    theirs = transforms.Compose(
        [
            transforms.Resize(32, interpolation=InterpolationMode.BICUBIC, antialias=False),
            transforms.CenterCrop(32),
            transforms.Lambda(lambda x: x.float().div(255.0)),
            transforms.Normalize(CLIP_MEAN, CLIP_STD),
        ]
    )
    ours = FrameRecipe(size=32, crop=(32, 32), filter="bicubic", mean=tuple(CLIP_MEAN), std=tuple(CLIP_STD)).as_vbench()
    assert torch.allclose(ours.apply(clip), theirs(clip.float()), atol=2e-5)
    assert ours.policy == "short32-bicubic-crop32-vbench"


@pytest.mark.parametrize("size", [(48, 85), (85, 48)])
def test_vbench_profile_is_vbench_s_transform_of_dino(size):
    clip = wide_clip(*size)
    theirs = transforms.Compose(
        [
            transforms.Resize(32, antialias=False),
            transforms.Lambda(lambda x: x.float().div(255.0)),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    published = FrameRecipe(
        size=(32, 32), crop=None, filter="bilinear", mean=tuple(IMAGENET_MEAN), std=tuple(IMAGENET_STD)
    )
    ours = published.without_crop().as_vbench()
    assert torch.allclose(ours.apply(clip), theirs(clip.float()), atol=2e-5)
    assert ours.policy == "short32-bilinear-vbench"


def test_profiles_differ():
    clip = wide_clip(64, 90)
    recipe = FrameRecipe(size=32, crop=(32, 32), filter="bicubic", **PLAIN)
    assert (recipe.apply(clip) - recipe.as_vbench().apply(clip)).abs().max() > 5


@pytest.mark.parametrize(
    ("fields", "policy"),
    [
        ({"size": 224, "do_center_crop": True, "crop_size": 224, "resample": 3}, "short224-bicubic-crop224"),
        (
            {
                "size": {"shortest_edge": 224},
                "do_center_crop": True,
                "crop_size": {"height": 224, "width": 200},
                "resample": 2,
            },
            "short224-bilinear-crop224x200",
        ),
        ({"size": 224, "resample": 2}, "224x224-bilinear"),
        ({"size": {"height": 224, "width": 112}, "resample": 3, "do_center_crop": False}, "224x112-bicubic"),
    ],
)
def test_published_files_are_read(tmp_path, fields, policy):
    recipe = stated(tmp_path, **fields)
    assert recipe.policy == policy
    assert recipe.mean == tuple(CLIP_MEAN)


def test_without_a_crop_the_scale_is_that_of_the_crop(tmp_path):
    recipe = stated(
        tmp_path, size={"shortest_edge": 256}, do_center_crop=True, crop_size={"height": 224, "width": 224}, resample=3
    )
    assert recipe.policy == "short256-bicubic-crop224"
    assert recipe.without_crop().policy == "short224-bicubic"


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"size": 3, "resample": 0}', '{"size": {"width": 3}, "resample": 2}']
)
def test_a_file_that_says_too_little_is_refused(tmp_path, content):
    (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(UnavailableMetricError, match=r"preprocessor_config\.json does not say how frames are resized"):
        read_recipe(tmp_path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UnavailableMetricError, match="does not say how frames are resized"):
        read_recipe(tmp_path)


def test_batches_keep_order_and_are_bounded():
    frames = torch.arange(70)
    batches = frame_batches(frames)
    assert [len(batch) for batch in batches] == [32, 32, 6]
    assert torch.equal(torch.cat(batches), frames)
