"""Video-DPO through the training loop: it learns the preferences, and interrupted runs equal uninterrupted ones."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import pytest
import torch
from dpo_toys import copied, toy_model, toy_pairs

from reference_model.errors import CheckpointError, ConfigError
from reference_model.training.checkpoints import STATE_FILE, load_state
from reference_model.training.dpo import DPORecipe, DPOTask
from reference_model.training.loop import train

RECIPE = DPORecipe(
    steps=40,
    batch_size=8,
    beta=100.0,
    learning_rate=3e-3,
    warmup_steps=2,
    ema_decay=0.8,
    lora_rank=4,
    lora_alpha=8.0,
    log_every=1,
    save_every=100,
    sample_every=40,
)
FULL = replace(RECIPE, lora_rank=0, learning_rate=3e-4)


def make_task(recipe, pairs):
    return DPOTask(toy_model(), recipe, pairs, pairs)


def log_of(folder):
    with (folder / "log.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(
    "recipe",
    [RECIPE, FULL, replace(RECIPE, objective="hinge"), replace(RECIPE, objective="ipo", label_smoothing="votes")],
    ids=["adapters", "all weights", "hinge", "ipo, smoothed"],
)
def test_it_learns_the_preferences(recipe, tmp_path):
    pairs = toy_pairs(16, share=0.9)
    task = make_task(recipe, pairs)
    before = copied(task.model.transformer.state_dict())
    assert train(task, recipe, tmp_path, progress=False) == 40

    rows = log_of(tmp_path)
    end = {name: float(value) for name, value in rows[-1].items() if value}
    assert end["test_accuracy"] > 0.9
    assert end["test_winner_drift"] < end["test_loser_drift"]
    assert end["test_margin"] > 0
    assert end["test_kl_proxy"] > 0
    assert all(end[f"test_accuracy_t{part}"] > 0.8 for part in range(1, 5))
    assert float(rows[0]["accuracy"]) == 0.5
    frozen = {name for name in before if ".lora_" not in name} if recipe.lora_rank else set()
    for name, value in task.model.transformer.state_dict().items():
        if name in frozen:
            assert torch.equal(value, before[name])

    stored = json.loads((tmp_path / "recipe.json").read_text(encoding="utf-8"))
    assert stored["recipe"] == "DPORecipe"
    assert (stored["beta"], stored["half"], stored["reduction"]) == (100.0, True, "mean")
    assert stored["objective"] == recipe.objective


@pytest.mark.parametrize("recipe", [RECIPE, FULL], ids=["adapters", "all weights"])
def test_an_interrupted_run_equals_an_uninterrupted_one(recipe, tmp_path):
    recipe = replace(recipe, steps=6, sample_every=6)
    pairs = toy_pairs(16)
    train(make_task(recipe, pairs), recipe, tmp_path / "whole", progress=False)
    for done in (2, 5, 6):
        assert (
            train(make_task(recipe, pairs), recipe, tmp_path / "parts", max_steps=3 if done == 5 else 2, progress=False)
            == done
        )
    whole, parts = (load_state(tmp_path / name / "checkpoints") for name in ("whole", "parts"))
    assert whole.tensors.keys() == parts.tensors.keys() == {"model", "ema", "optimiser"}
    for part, tensors in whole.tensors.items():
        assert tensors.keys() == parts.tensors[part].keys()
        for name, value in tensors.items():
            assert torch.equal(value, parts.tensors[part][name]), f"{part} {name}"
    names = [name for name in log_of(tmp_path / "whole")[-1] if name not in ("seconds",)]
    for one, other in zip(log_of(tmp_path / "whole"), log_of(tmp_path / "parts"), strict=True):
        assert [one[name] for name in names] == [other[name] for name in names]


def test_the_reference_stays_what_the_run_was_started_from(tmp_path):
    recipe = replace(FULL, steps=4, ema_decay=0.0)
    task = make_task(recipe, toy_pairs(8))
    train(task, recipe, tmp_path, max_steps=2, progress=False)
    resumed = make_task(recipe, toy_pairs(8))
    train(resumed, recipe, tmp_path, max_steps=1, progress=False)
    batch, times = resumed.batch(0, [0]), torch.full((1,), 0.5)
    inputs = (batch.winner, times, batch.prompts, batch.fps)
    start = toy_model()(*inputs)
    assert torch.equal(resumed._reference_velocity(*inputs), start)
    assert not torch.equal(resumed.model(*inputs), start)


@pytest.mark.parametrize(
    ("recipe", "complaint"),
    [(RECIPE, "the weights that .* does not train are others than"), (FULL, "the reference model is another one than")],
    ids=["adapters", "all weights"],
)
def test_a_run_cannot_go_on_with_another_reference(recipe, complaint, tmp_path):
    recipe, pairs = replace(recipe, steps=4), toy_pairs(8)
    task = make_task(recipe, pairs)
    train(task, recipe, tmp_path, max_steps=2, progress=False)
    others = [toy_model(seed=1)]
    if not recipe.lora_rank:
        others.append(task.model)  # as far as it got, such as an export of this run
    for other in others:
        with pytest.raises(CheckpointError, match=rf"{complaint} .*was started\n.*load the weights that the run was"):
            train(DPOTask(other, recipe, pairs, pairs), recipe, tmp_path, progress=False)
    assert load_state(tmp_path / "checkpoints").step == 2
    assert train(make_task(recipe, pairs), recipe, tmp_path, progress=False) == 4


def test_checkpoints_that_do_not_tell_their_reference_are_still_read(tmp_path):
    recipe = replace(FULL, steps=2)
    train(make_task(recipe, toy_pairs(8)), recipe, tmp_path, max_steps=1, progress=False)
    file = tmp_path / "checkpoints" / "step-00000001" / STATE_FILE
    numbers = json.loads(file.read_text(encoding="utf-8"))
    assert numbers.pop("reference")
    numbers.pop("recipe")
    file.write_text(json.dumps(numbers), encoding="utf-8")
    assert train(make_task(recipe, toy_pairs(8)), recipe, tmp_path, progress=False) == 2


def test_a_checkpoint_says_what_its_loss_was(tmp_path):
    recipe = replace(RECIPE, steps=1, beta=30.0, half=False, reduction="sum", objective="hinge")
    train(make_task(recipe, toy_pairs(8)), recipe, tmp_path, progress=False)
    stored = load_state(tmp_path / "checkpoints").numbers["recipe"]
    assert DPORecipe.from_dict(stored) == recipe


def test_recomputed_activations_do_not_change_what_is_learned(tmp_path):
    for name, recompute in (("kept", False), ("recomputed", True)):
        recipe = replace(RECIPE, steps=3, gradient_checkpointing=recompute)
        train(make_task(recipe, toy_pairs(8)), recipe, tmp_path / name, progress=False)
    kept, recomputed = (load_state(tmp_path / name / "checkpoints").tensors["model"] for name in ("kept", "recomputed"))
    for name, value in kept.items():
        torch.testing.assert_close(recomputed[name], value)


def test_in_bfloat16_the_untrained_model_is_the_reference_too(tmp_path):
    recipe = replace(RECIPE, steps=2, precision="bfloat16", micro_batch_size=4)
    train(make_task(recipe, toy_pairs(8)), recipe, tmp_path, progress=False)
    first, second = log_of(tmp_path)
    assert float(first["loss"]) == pytest.approx(math.log(2), abs=1e-5)
    assert float(first["kl_proxy"]) == 0
    assert float(second["kl_proxy"]) > 0


def test_checkpoints_of_adapters_hold_adapters_alone(tmp_path):
    recipe = replace(RECIPE, steps=1)
    train(make_task(recipe, toy_pairs(8)), recipe, tmp_path, progress=False)
    state = load_state(tmp_path / "checkpoints")
    assert all(".lora_" in name for name in state.tensors["model"])
    assert len(state.tensors["model"]) == 28


def test_a_run_cannot_go_on_with_another_beta(tmp_path):
    recipe = replace(RECIPE, steps=2)
    train(make_task(recipe, toy_pairs(8)), recipe, tmp_path, max_steps=1, progress=False)
    other = replace(recipe, beta=200.0, half=False)
    with pytest.raises(ConfigError, match=r"another recipe: beta 100.0 -> 200.0, half True -> False"):
        train(make_task(other, toy_pairs(8)), other, tmp_path, progress=False)
