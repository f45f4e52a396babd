from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from stepbench.suites import load_suite
from stepbench.worlds.moving_shapes import Scene, parse_caption, split_of
from stepbench.worlds.moving_shapes.suite_builder import PAIRS, write_held_out, write_moving_shapes


@pytest.fixture(scope="module")
def suite():
    return load_suite("moving-shapes")


def test_the_shipped_files_are_what_the_builder_writes(suite, tmp_path):
    write_moving_shapes(tmp_path)
    for name in ("suite.toml", "prompts.jsonl"):
        assert (tmp_path / name).read_bytes() == (suite.folder / name).read_bytes(), name


def test_every_text_says_its_ground_truth(suite):
    for prompt in suite.prompts:
        scene = Scene.from_json(prompt.ground_truth)
        assert parse_caption(prompt.text) == scene
        assert split_of(scene) == prompt.split
        assert (scene.kind, f"level-{scene.level}") == (prompt.category, prompt.tags[0])


def test_pairs_are_translations(suite):
    pairs = defaultdict(list)
    for prompt in suite.prompts:
        pairs[prompt.pair_id].append(prompt)
    for pair_id, (english, chinese) in pairs.items():
        assert (english.id, chinese.id) == (f"{pair_id}-en", f"{pair_id}-zh")
        assert (english.language, chinese.language) == ("en", "zh")
        assert english.ground_truth == chinese.ground_truth


def test_counts(suite):
    counted = Counter((prompt.split, prompt.category) for prompt in suite.prompts if prompt.language == "en")
    assert counted == {(split, kind): pairs for split, kinds in PAIRS.items() for kind, pairs in kinds.items()}
    assert sum(PAIRS["test"].values()) == 96
    assert sum(PAIRS["train"].values()) == 200


def test_scenes_are_distinct(suite):
    truths = [Scene.from_json(prompt.ground_truth) for prompt in suite.prompts if prompt.language == "en"]
    assert len(set(truths)) == len(truths)


def test_splits_share_no_combination(suite):
    keys = defaultdict(set)
    for prompt in suite.prompts:
        for group in Scene.from_json(prompt.ground_truth).objects:
            keys[prompt.split].add((group.colour, group.shape, group.size, group.direction, group.speed))
    assert not keys["train"] & keys["test"]


def test_directions_are_balanced_in_the_test_split(suite):
    one = [prompt for prompt in suite.prompts if prompt.category == "one-object" and prompt.split == "test"]
    counted = Counter(prompt.ground_truth["objects"][0]["direction"] for prompt in one)
    assert len(counted) == 9
    assert max(counted.values()) - min(counted.values()) <= 2


def test_card(suite):
    assert suite.card.default_split == "test"
    assert suite.card.languages == ("en", "zh")
    assert suite.card.defaults == {"frames": 17, "height": 64, "width": 64, "fps": 8, "negative_prompt": ""}


def test_the_exhaustive_suite_has_every_held_out_scene_with_one_object_once(tmp_path):
    write_held_out(tmp_path)
    prompts = load_suite(tmp_path).prompts
    scenes = [Scene.from_json(prompt.ground_truth) for prompt in prompts]
    # 3 pairs of colour and shape, 3 sizes, 8 directions at 2 speeds and standing still, 3 backgrounds
    assert len(set(scenes)) == 3 * 3 * 17 * 3
    assert Counter(scenes) == dict.fromkeys(scenes, 2)
    for prompt, scene in zip(prompts, scenes, strict=True):
        assert parse_caption(prompt.text) == scene
        assert (scene.level, split_of(scene), prompt.split) == (1, "test", "test")
    assert {prompt.language for prompt in prompts} == {"en", "zh"}
