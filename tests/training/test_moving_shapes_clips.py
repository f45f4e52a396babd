"""Training clips of the world: functions of their number, with captions in both languages, each of its own split."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stepbench.training.moving_shapes import MovingShapesClips, captions_of
from stepbench.worlds.moving_shapes.captions import parse_caption
from stepbench.worlds.moving_shapes.sampling import split_of


def test_a_clip_is_a_function_of_its_number():
    first, second = MovingShapesClips("train"), MovingShapesClips("train")
    _ = second[40]
    assert torch.equal(first[3].frames, second[3].frames)
    assert first[3].captions == second[3].captions
    assert first[3].frames.shape == (17, 3, 64, 64)
    assert first[3].frames.dtype == torch.uint8
    assert first[3].fps == 8.0
    # How many of them are used does not change which they are.
    assert torch.equal(MovingShapesClips("train", size=4)[3].frames, first[3].frames)


def test_seed_split_and_levels_give_other_scenes():
    sources = [
        MovingShapesClips("train"),
        MovingShapesClips("train", seed=1),
        MovingShapesClips("test"),
        MovingShapesClips("train", levels=(1, 2)),
    ]
    captions = {tuple(source.captions(index)[0] for index in range(8)) for source in sources}
    assert len(captions) == len({source.description for source in sources}) == 4


def test_sizes():
    clip = MovingShapesClips("test", frames=34, side=32, fps=12.0)[0]
    assert clip.frames.shape == (34, 3, 32, 32)
    assert clip.fps == 12.0


def test_no_scene_is_of_the_other_split_or_level():
    for split in ("train", "test"):
        source = MovingShapesClips(split, levels=(1, 3))
        scenes = [source.scene(index) for index in range(60)]
        assert {split_of(scene) for scene in scenes} == {split}
        assert {scene.level for scene in scenes} == {1, 3}


def test_captions_say_what_is_shown_english_first():
    source = MovingShapesClips("train")
    captions = source.captions(5)
    assert captions == captions_of(source.scene(5))
    assert len(captions) == len(set(captions)) == 6
    assert [text.isascii() for text in captions] == [True] * 3 + [False] * 3
    assert all(parse_caption(text) == source.scene(5) for text in captions)


def test_prompts_take_turns_in_language_and_template():
    source = MovingShapesClips("test")
    chosen = [source.captions(index).index(source.prompt(index)) for index in range(12)]
    assert chosen == [0, 3, 1, 4, 2, 5] * 2


def test_the_judge_knows_truth_from_other_clips():
    source = MovingShapesClips("test", seed=1)
    for index in range(4):
        assert set(source.judge(index, source[index].frames).values()) == {1.0}
    blank = torch.from_numpy(np.zeros((17, 3, 64, 64), dtype=np.uint8))
    answers = source.judge(0, blank)
    assert answers["colour"] == answers["shape"] == answers["size"] == 0.0


def test_there_are_as_many_clips_as_said():
    source = MovingShapesClips("train", size=3)
    assert len(source) == len(list(source)) == 3  # type: ignore[call-overload]
    for index in (-1, 3):
        with pytest.raises(IndexError, match=f"clips have numbers from 0 to 2, got {index}"):
            source[index]
