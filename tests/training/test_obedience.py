"""Obedience counted by hand: of a model that draws the truth, and of models that get one thing wrong."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image
from world_pipeline import WorldPipeline, changed, with_wrong_colour

from stepbench.training.moving_shapes import MovingShapesClips
from stepbench.training.obedience import Obedience, attribute_shares
from stepbench.worlds.moving_shapes.render import render

COUNT = 4


@pytest.fixture(scope="module")
def source():
    return MovingShapesClips("test", seed=1, size=1000)


def obey(source, tmp_path, draws=lambda scene, seed: scene, count=COUNT):
    return Obedience(WorldPipeline(draws), source, count=count)(tmp_path, 7)  # type: ignore[arg-type]


def test_the_truth_is_obeyed(source, tmp_path):
    figures = obey(source, tmp_path)
    names = ["colour", "shape", "size", "direction", "speed", "obeyed", "obeyed_en", "obeyed_zh"]
    assert figures == dict.fromkeys(names, 1.0)
    sheet = np.asarray(Image.open(tmp_path / "samples-00000007.png"))
    assert sheet.shape == (8 * 64, 5 * 64, 3)
    first = render(source.scene(0), 0, frames=17, height=64, width=64)[0]
    assert np.array_equal(sheet[:64, :64], np.moveaxis(first, 0, 2))


def test_each_wrong_answer_counts(source, tmp_path):
    # Wrong colours in the first three English clips (seeds 0, 2, 4), still objects in all Chinese ones.
    def draws(scene, seed):
        if seed in (0, 2, 4):
            return with_wrong_colour(scene)
        return changed(scene, direction="still", speed=None) if seed % 2 else scene

    scenes = [source.scene(index).objects[0] for index in range(2 * COUNT)]
    moving = [group.direction != "still" for group in scenes]
    figures = obey(source, tmp_path, draws)
    direction = 1 - sum(moving[1::2]) / (2 * COUNT)
    speed = sum(moving[::2]) / sum(moving)
    assert figures["colour"] == 5 / 8
    assert figures["shape"] == figures["size"] == 1
    assert figures["direction"] == direction
    assert figures["speed"] == speed
    assert figures["obeyed"] == pytest.approx((5 / 8 + 1 + 1 + direction + speed) / 5)
    assert figures["obeyed_en"] == pytest.approx((1 / 4 + 1 + 1 + 1 + 1) / 5)
    assert figures["obeyed_zh"] == pytest.approx((1 + 1 + 1 + (1 - sum(moving[1::2]) / COUNT) + 0) / 5)


def test_another_scene_is_not_what_was_asked_for(source, tmp_path):
    figures = obey(source, tmp_path, lambda scene, seed: source.scene(500 + seed), count=6)
    assert figures["obeyed"] < 0.7


def test_prompts_and_seeds_are_always_the_same(source, tmp_path):
    pipeline = WorldPipeline()
    judge = Obedience(pipeline, source, count=3)  # type: ignore[arg-type]
    first = judge(tmp_path, 1)
    made, pipeline.made = pipeline.made, []
    assert judge(tmp_path, 2) == first
    assert pipeline.made == made
    assert [seed for _, seed in made] == list(range(6))
    assert Counter(prompt.isascii() for prompt, _ in made) == {True: 3, False: 3}


def test_shares_by_hand():
    answers = [
        {"colour": 1.0, "shape": 0.0, "size": 1.0, "direction": 1.0, "background": 0.0},
        {"colour": 1.0, "shape": 1.0, "size": 0.0, "direction": 0.0, "speed": 1.0, "background": 0.0},
        {"colour": 1.0, "shape": 0.0, "size": 0.0, "direction": 0.0, "speed": 0.0, "background": 0.0},
    ]
    shares = attribute_shares(answers)
    assert shares == pytest.approx(
        {"colour": 1, "shape": 1 / 3, "size": 1 / 3, "direction": 1 / 3, "speed": 1 / 2, "obeyed": 0.5}
    )
    # Nothing moves: there is no share of right speeds.
    assert attribute_shares(answers[:1]) == pytest.approx(
        {"colour": 1, "shape": 0, "size": 1, "direction": 1, "obeyed": 0.75}
    )
