from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from metrics.errors import MetricError, MissingInputError
from metrics.view import ClipView
from stepbench.worlds.moving_shapes import Scene, ShapeGroup, render
from stepbench.worlds.moving_shapes.alignment import ShapeAlignment

SCENE = Scene(
    objects=(ShapeGroup(shape="cross", colour="blue", size="large", direction="up", speed="slow"),), background="white"
)


@pytest.fixture(scope="module")
def clip():
    return torch.from_numpy(render(SCENE, 0, frames=9))


def test_score_is_the_share_of_right_attributes(clip):
    truth = SCENE.to_json()
    assert ShapeAlignment().score(ClipView(clip, ground_truth=truth)) == 1.0
    truth["objects"][0]["colour"] = "red"
    truth["background"] = "grey"
    view = ClipView(clip, ground_truth=truth)
    assert ShapeAlignment().score(view) == pytest.approx(4 / 6)
    wrong = [name for name, right in ShapeAlignment.details(view).items() if not right]
    assert wrong == ["colour", "background"]


def test_mean_over_clips(clip):
    metric = ShapeAlignment()
    wrong = SCENE.to_json()
    wrong["objects"][0]["direction"] = "left"
    metric.update(torch.stack([clip, clip]), ground_truth=[SCENE.to_json(), wrong])
    assert metric.compute().item() == pytest.approx((1 + 5 / 6) / 2)


def test_card():
    card = ShapeAlignment.card
    assert (card.id, card.direction, card.needs) == ("shape_alignment@1:native", "higher", ("ground_truth",))
    assert ShapeAlignment.higher_is_better is True


def test_ground_truth_is_needed(clip):
    with pytest.raises(MissingInputError, match="needs a ground truth"):
        ShapeAlignment().update(clip[None])


def test_bad_ground_truth_and_small_clips(clip):
    with pytest.raises(MetricError, match="missing key 'background'"):
        ShapeAlignment().update(clip[None], ground_truth=[{"world": "moving_shapes"}])
    small = torch.from_numpy(np.zeros((2, 3, 16, 16), np.uint8))
    with pytest.raises(MetricError, match="sides of 32 pixels"):
        ShapeAlignment().update(small[None], ground_truth=[SCENE.to_json()])


def test_the_world_itself_needs_no_torch():
    code = "import sys, stepbench.worlds.moving_shapes, stepbench.generators.world; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
