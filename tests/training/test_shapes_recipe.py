"""Training of the `shapes` backbone: near scenes, the loss, batches as functions of the step, resuming, exporting."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from metrics.backbones.shapes import load
from reference_model.errors import ConfigError
from reference_model.training.loop import train
from stepbench.errors import UsageError
from stepbench.training.near_scenes import ATTRIBUTES, MAIN_ATTRIBUTES, meaning, near_scenes, scene_family
from stepbench.training.shapes import ShapesRecipe, ShapesTask, contrastive_loss, damaged, world_vocabulary
from stepbench.training.shapes_card import card_page
from stepbench.training.shapes_export import export_encoder, score_weights
from stepbench.training.shapes_scores import shares
from stepbench.worlds.moving_shapes import Scene, ShapeGroup, caption, sample_scene, split_of

ONE = Scene(
    objects=(ShapeGroup(shape="circle", colour="red", size="small", direction="left", speed="slow"),),
    background="black",
)
TWO = Scene(
    objects=(
        ShapeGroup(shape="circle", colour="red", size="small", direction="left", speed="slow"),
        ShapeGroup(shape="square", colour="blue", size="medium", direction="left", speed="slow"),
    ),
    background="black",
    relation="above",
)
TINY = {
    "steps": 4,
    "batch_size": 8,
    "family_size": 4,
    "families": 3,
    "precision": "float32",
    "warmup_steps": 1,
    "log_every": 1,
    "save_every": 2,
    "sample_every": 4,
    "held_out": 1,
}


def recipe(**changes) -> ShapesRecipe:
    return ShapesRecipe(**{**TINY, **changes})


def test_near_scenes_differ_in_one_attribute_and_cover_its_values():
    counted = {name: len(near_scenes(ONE, name)) for name in ATTRIBUTES}
    main = {"colour": 5, "shape": 3, "size": 2, "direction": 8, "speed": 1}
    rest = {"background": 2, "count": 3, "relation": 0, "camera": 0, "pattern": 4, "clutter": 1, "binding": 0}
    assert counted == main | rest
    for name in ("colour", "shape", "size"):
        for found in near_scenes(ONE, name):
            assert replace(found.objects[0], **{name: getattr(ONE.objects[0], name)}) == ONE.objects[0]
    stopped = [found for found in near_scenes(ONE, "direction") if found.objects[0].direction == "still"]
    assert [found.objects[0].speed for found in stopped] == [None]


def test_related_objects_move_together_and_can_swap_colours():
    for found in near_scenes(TWO, "direction"):
        assert found.objects[0].direction == found.objects[1].direction != "left"
    (swapped,) = near_scenes(TWO, "binding")
    assert [group.colour for group in swapped.objects] == ["blue", "red"]
    assert [group.shape for group in swapped.objects] == ["circle", "square"]
    assert {found.relation for found in near_scenes(TWO, "relation")} == {"below", "left-of", "right-of"}


def test_naming_two_objects_in_another_order_means_the_same():
    turned = replace(TWO, objects=TWO.objects[::-1], relation="below")
    assert meaning(turned) == meaning(TWO)
    assert meaning(replace(TWO, objects=TWO.objects[::-1])) != meaning(TWO)
    twins = replace(TWO, objects=(TWO.objects[0], replace(TWO.objects[0], colour="blue")), relation=None)
    assert near_scenes(twins, "binding") == []  # a swap of their colours changes nothing but the order


@pytest.mark.parametrize("level", [1, 2, 3])
def test_families_are_of_one_split_and_lie_around_their_first_scene(level):
    rng = np.random.default_rng(level)
    for _ in range(5):
        first, *others = scene_family(level, 8, rng, "train")
        assert len({meaning(scene) for scene in (first, *others)}) == 8
        assert {split_of(scene) for scene in (first, *others)} == {"train"}
        near = {name: near_scenes(first, name) for name in ATTRIBUTES}
        assert all(any(other in found for found in near.values()) for other in others)
        for name in MAIN_ATTRIBUTES:
            if any(split_of(scene) == "train" for scene in near[name]):
                assert any(other in near[name] for other in others)


def test_contrastive_loss_by_hand():
    # Clips 0 and 1, texts 0 to 2; texts 0 and 2 say what clip 0 shows, text 1 belongs to clip 1.
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
    same = torch.tensor([[True, False, True], [False, True, False]])
    clip_to_text = [
        math.log(1 + math.exp(1 - 2)),
        math.log(1 + math.exp(1 - 0)),
        math.log(1 + math.exp(-3) + math.exp(-2)),
    ]
    text_to_clip = [math.log(1 + math.exp(0 - 2)), math.log(1 + math.exp(1 - 3)), math.log(1 + math.exp(1 - 0))]
    expected = (sum(clip_to_text) / 3 + sum(text_to_clip) / 3) / 2
    assert contrastive_loss(logits, same).item() == pytest.approx(expected, rel=1e-6)
    assert contrastive_loss(torch.zeros(4, 4), torch.eye(4, dtype=torch.bool)).item() == pytest.approx(math.log(4))


def test_loss_has_a_gradient_where_everything_belongs_together():
    logits = torch.zeros(2, 2, requires_grad=True)
    contrastive_loss(logits, torch.ones(2, 2, dtype=torch.bool)).backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros(2, 2))


def test_batch_is_a_function_of_step_and_samples():
    task, other = ShapesTask(recipe()), ShapesTask(recipe())
    whole = task.batch(1, range(8))
    other.batch(0, range(8))
    again = other.batch(1, range(8))
    assert torch.equal(whole.clips, again.clips)
    assert torch.equal(whole.ids, again.ids)
    assert whole.clips.shape == (8, 16, 3, 32, 32)
    assert whole.same.shape == (8, 16)
    assert torch.equal(whole.same[:, :8], torch.eye(8, dtype=torch.bool))
    assert torch.equal(whole.same[:, 8:], whole.same[:, :8])
    assert not torch.equal(whole.clips, task.batch(2, range(8)).clips)


def test_a_process_computes_whole_families():
    task = ShapesTask(recipe(damage_share=0.0))
    whole, part = task.batch(0, range(8)), task.batch(0, range(1, 8, 2))
    assert torch.equal(part.clips, whole.clips[1::2])
    first = task._family(0)
    families = [task._family(number) for number in range(3)]
    shown = [[torch.equal(task._seen(0, 0, number, 0)[0], clip) for number in range(3)] for clip in whole.clips[:2]]
    assert all(sum(row) == 1 for row in shown)
    assert first in families


def test_a_scene_in_two_families_is_no_negative_of_itself():
    task = ShapesTask(recipe())
    for number in range(3):
        task._families[number] = task._family(0)
    batch = task.batch(0, range(8))
    assert (batch.same.sum(dim=1) == 4).all()  # twice in the batch, in two languages


def test_unknown_words_are_put_into_some_captions():
    task = ShapesTask(recipe(unknown_share=1.0))
    assert (task.batch(0, range(8)).ids == 1).any(dim=1).all()
    assert not (ShapesTask(recipe(unknown_share=0.0)).batch(0, range(8)).ids == 1).any()


def test_vocabulary_knows_every_word_of_the_world():
    words = set(world_vocabulary())
    rng = np.random.default_rng(0)
    from metrics.backbones.shapes_tokenizer import split_text

    for number in range(200):
        scene = sample_scene(1 + number % 3, rng)
        for language in ("en", "zh"):
            assert words.issuperset(split_text(caption(scene, language, number % 3)))
    assert {"camera", "triangles", "above", "镜", "绿"} <= words
    assert not any(word in words for word in ("a.count", "setting", "motion"))


def test_damage_is_slight_and_drawn_from_the_generator():
    clip = ShapesTask(recipe(damage_share=0.0)).batch(0, [0]).clips
    changes = [(damaged(clip, np.random.default_rng(seed)) - clip).abs().mean().item() for seed in range(12)]
    assert max(changes) < 0.12
    assert len(set(changes)) == 12
    again = damaged(clip, np.random.default_rng(3))
    assert torch.equal(again, damaged(clip, np.random.default_rng(3)))
    assert again.abs().max() <= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family_size": 3}, "batch_size must be a multiple of family_size, got batch_size=8, family_size=3"),
        ({"family_size": 1}, "family_size must be 2 to 12"),
        ({"micro_batch_size": 4}, "a contrastive batch cannot be computed in parts"),
        ({"families": 1}, "families must be at least as many as a batch holds"),
    ],
)
def test_impossible_recipes_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        recipe(**changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert train(ShapesTask(recipe()), recipe(), folder, progress=False) == 4
    return folder


def test_an_interrupted_run_ends_with_the_same_weights(finished: Path, tmp_path: Path):
    assert train(ShapesTask(recipe()), recipe(), tmp_path, max_steps=3, progress=False) == 3
    assert train(ShapesTask(recipe()), recipe(), tmp_path, progress=False) == 4
    for part in ("model", "ema", "optimiser"):
        whole, resumed = (
            load_file(folder / "checkpoints" / "step-00000004" / f"{part}.safetensors")
            for folder in (finished, tmp_path)
        )
        assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_log_tells_loss_and_held_out_figures(finished: Path):
    with (finished / "log.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert {"loss", "found", "scale", "test_en_colour", "test_zh_direction", "test_en_any"} <= rows[-1].keys()
    # At the start every cosine is close to every other, so all texts are as likely as each other.
    assert float(rows[0]["loss"]) == pytest.approx(math.log(12), abs=2.0)


def test_export_loads_scores_and_describes_itself(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stepbench.training.shapes_export.SCALED_ON", 8)
    weights = tmp_path / "shapes.safetensors"
    facts = export_encoder(finished, weights)
    encoder = load(weights)
    trained = load_file(finished / "checkpoints" / "step-00000004" / "ema.safetensors")
    assert all(torch.allclose(value, trained[name], atol=1e-3) for name, value in encoder.named_parameters())
    assert facts["compute"]["clips"] == 32
    card = score_weights(weights, clips=2)
    page = weights.with_suffix(".md").read_text(encoding="utf-8")
    assert page == card_page(card)
    assert card["sha256"] in page
    assert "| direction | zh |" in page
    assert load(weights).tokenizer.vocabulary == tuple(world_vocabulary())


def test_features_are_scaled_on_training_clips(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from stepbench.training.shapes_scores import drawn_clip, drawn_scene

    monkeypatch.setattr("stepbench.training.shapes_export.SCALED_ON", 12)
    weights = tmp_path / "shapes.safetensors"
    export_encoder(finished, weights)
    encoder = load(weights)
    clips = torch.cat([drawn_clip(drawn_scene("train", (1, 2, 3), number), number) for number in range(12)])
    features = encoder.features(clips)
    assert features.mean(dim=0).abs().max() < 0.05
    assert features.std(dim=0).max() < 1.05
    assert features.std(dim=0).median() == pytest.approx(1.0, abs=0.05)


def test_export_refuses_what_is_no_finished_run(tmp_path: Path):
    with pytest.raises(UsageError, match="holds no run of the shapes recipe"):
        export_encoder(tmp_path)
    (tmp_path / "recipe.json").write_text('{"recipe": "ShapesRecipe"}', encoding="utf-8")
    with pytest.raises(UsageError, match="holds no checkpoint"):
        export_encoder(tmp_path, tmp_path / "w.safetensors")


def test_shares_carry_wilson_intervals():
    import pandas as pd

    answers = pd.DataFrame({"kind": ["a"] * 10, "right": [True] * 8 + [False] * 2, "options": [4] * 10})
    (row,) = shares(answers, ("kind",)).to_dict("records")
    # Wilson's interval for 8 of 10: (0.8 + z^2/20 -+ z sqrt(0.016 + z^2/400)) / (1 + z^2/10), z = 1.959964
    assert row["low"] == pytest.approx(0.490162, abs=1e-5)
    assert row["high"] == pytest.approx(0.943318, abs=1e-5)
    assert (row["share"], row["n"], row["chance"]) == (0.8, 10, 0.25)
