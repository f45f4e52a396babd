"""The loop: exact continuation, legs, and what makes it stop."""

from __future__ import annotations

import copy
import json
import math

import pytest
import torch
from training_toys import ToyModel, ToyTask, assert_same_run, final_state, log_rows, toy_recipe, toy_run

from reference_model.errors import CheckpointError, ConfigError, TrainingError
from reference_model.training.ema import MovingAverage
from reference_model.training.loop import train
from reference_model.training.optimiser import trainable


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert toy_run(folder) == 12
    return folder


@pytest.mark.parametrize("length", [1, 5, 11])
def test_a_run_in_legs_equals_one_in_one_go(uninterrupted, tmp_path, length):
    reached = [toy_run(tmp_path, legs={"max_steps": length}) for _ in range(math.ceil(12 / length))]
    assert reached == [min(12, length * number) for number in range(1, len(reached) + 1)]
    assert_same_run(uninterrupted, tmp_path)


def test_every_step_follows_the_formulas(tmp_path):
    """The same twelve steps written out: schedule, clipping, AdamW, average."""
    recipe = toy_recipe(clip_norm=0.05, weight_decay=0.1)
    task = ToyTask(ToyModel(dropout=0.0))
    model = copy.deepcopy(task.model)
    train(task, recipe, tmp_path, progress=False)

    decayed = [value for value in model.parameters() if value.requires_grad and value.ndim > 1]
    others = [value for value in model.parameters() if value.requires_grad and value.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    average = {name: value.detach().clone() for name, value in trainable(model)}
    for step in range(12):
        rate = 0.01 * min((step + 1) / 2, 1.0, (12 - step) / (12 * 0.3))
        loss, _ = ToyTask(model).loss(model, task.batch(step, range(4)), step, range(4))
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*decayed, *others], 0.05)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        optimiser.zero_grad()
        decay = min(0.997, (step + 1) / (step + 10))
        average = {name: decay * average[name] + (1 - decay) * value.detach() for name, value in trainable(model)}
    state = final_state(tmp_path)
    for name, value in trainable(model):
        assert torch.allclose(state[f"model {name}"], value, atol=1e-6)
        assert torch.allclose(state[f"ema {name}"], average[name], atol=1e-6)


def test_parts_of_a_batch_add_up(uninterrupted, tmp_path):
    toy_run(tmp_path / "whole", ToyTask(ToyModel(dropout=0.0)))
    toy_run(tmp_path / "parts", ToyTask(ToyModel(dropout=0.0)), micro_batch_size=3)  # 3 samples, then 1
    whole, parts = final_state(tmp_path / "whole"), final_state(tmp_path / "parts")
    assert all(torch.allclose(whole[name], parts[name], atol=1e-6) for name in whole if "model" in name)
    rows = zip(log_rows(tmp_path / "whole"), log_rows(tmp_path / "parts"), strict=True)
    for one, other in rows:
        assert float(one["double"]) == pytest.approx(float(other["double"]), rel=1e-4)


def test_a_figure_that_some_parts_lack_is_the_mean_of_the_others(tmp_path):
    toy_run(tmp_path, ToyTask(ToyModel(dropout=0.0)), micro_batch_size=1, log_every=1, steps=1)
    task = ToyTask(ToyModel(dropout=0.0))
    alone, _ = task.loss(task.model, task.batch(0, [0]), 0, [0])
    assert float(log_rows(tmp_path)[0]["of_first"]) == pytest.approx(alone.item(), rel=1e-5)


def test_only_what_is_trained_is_kept_and_changed(uninterrupted):
    names = {name.removeprefix("model ") for name in final_state(uninterrupted) if name.startswith("model ")}
    assert names == {name for name, _ in trainable(ToyModel())}
    assert not any(name.startswith("frozen") for name in names)


def test_other_frozen_weights_are_refused(tmp_path):
    toy_run(tmp_path, legs={"max_steps": 3})
    other = ToyModel()
    other.frozen[0].weight.mul_(1.5)
    with pytest.raises(CheckpointError, match="does not train are others than when it was started"):
        toy_run(tmp_path, ToyTask(other))


def test_a_model_of_another_shape_is_refused(tmp_path):
    toy_run(tmp_path, legs={"max_steps": 3})
    other = ToyModel()
    other.outlet = torch.nn.Linear(4, 3)
    with pytest.raises(CheckpointError, match="differ in 2 tensors, first outlet"):
        toy_run(tmp_path, ToyTask(other))


def test_nothing_to_train_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no trainable parameters"):
        toy_run(tmp_path, ToyTask(ToyModel().requires_grad_(False)))


@pytest.mark.parametrize("changes", [{"learning_rate": 0.02}, {"seed": 1}, {"batch_size": 2}])
def test_a_folder_of_another_recipe_is_refused(tmp_path, changes):
    toy_run(tmp_path, legs={"max_steps": 3})
    ((name, value),) = changes.items()
    with pytest.raises(ConfigError, match=f"holds a run of another recipe: {name} .* -> {value}"):
        toy_run(tmp_path, **changes)


def test_a_run_may_be_lengthened_or_cooled_down(tmp_path):
    toy_run(tmp_path, legs={"max_steps": 6})
    assert toy_run(tmp_path, steps=8, log_every=1, decay_share=0.25) == 8
    assert [float(row["rate"]) for row in log_rows(tmp_path) if int(row["step"]) > 6] == [1.0, 0.5]
    assert toy_run(tmp_path, steps=14) == 14
    assert toy_run(tmp_path, steps=10) == 14  # nothing left to do


def test_a_setting_that_an_old_run_did_not_know_counts_as_its_default(tmp_path):
    toy_run(tmp_path, legs={"max_steps": 3})
    file = tmp_path / "recipe.json"
    old = json.loads(file.read_text())
    del old["weight_decay"]
    file.write_text(json.dumps(old))
    with pytest.raises(ConfigError, match=r"weight_decay 0\.0 -> 0\.5"):
        toy_run(tmp_path, weight_decay=0.5)
    assert toy_run(tmp_path) == 12


def test_time_is_up_after_one_step_at_the_earliest(uninterrupted, tmp_path):
    assert [toy_run(tmp_path, legs={"max_seconds": 0.0}) for _ in range(12)] == list(range(1, 13))
    assert_same_run(uninterrupted, tmp_path)


def test_a_leg_ends_in_time(tmp_path):
    reached = toy_run(tmp_path, ToyTask(pause=0.05), legs={"max_seconds": 0.4})
    assert 1 <= reached <= 8
    assert final_state(tmp_path)["step"] == reached


def test_a_loss_that_is_no_number_stops_the_run(uninterrupted, tmp_path):
    with pytest.raises(TrainingError, match=r"broken down at step 7: loss nan, grad_norm nan[\s\S]*learning_rate"):
        toy_run(tmp_path, ToyTask(breaks_at=7))
    assert final_state(tmp_path)["step"] == 6
    toy_run(tmp_path)
    assert_same_run(uninterrupted, tmp_path)


def test_the_average_is_what_evaluations_see(tmp_path):
    seen = []

    class Watching(ToyTask):
        def evaluate(self, folder, step):
            seen.append({name: value.detach().clone() for name, value in trainable(self.model)})
            return {}

    toy_run(tmp_path, Watching(), sample_every=12)
    state = final_state(tmp_path)
    assert all(torch.equal(value, state[f"ema {name}"]) for name, value in seen[0].items())
    assert not all(torch.equal(value, state[f"model {name}"]) for name, value in seen[0].items())


def test_the_average_gives_weights_back_after_an_error():
    model = ToyModel()
    average = MovingAverage(model, 0.5)
    before = copy.deepcopy(model.state_dict())
    average.weights["outlet.bias"] += 1

    def work():
        with average.applied(model):
            assert torch.equal(model.outlet.bias, before["outlet.bias"] + 1)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_bfloat16_is_close_to_float32(tmp_path):
    for precision in ("float32", "bfloat16"):
        toy_run(tmp_path / precision, ToyTask(ToyModel(dropout=0.0)), precision=precision)
    exact, rounded = final_state(tmp_path / "float32"), final_state(tmp_path / "bfloat16")
    assert all(value.dtype == torch.float32 for name, value in rounded.items() if name != "step")
    assert any(not torch.equal(exact[name], rounded[name]) for name in exact)
    assert all(torch.allclose(exact[name], rounded[name], atol=0.02) for name in exact if name.startswith("ema"))


def test_progress_is_shown_on_stderr(tmp_path, capsys):
    train(ToyTask(), toy_recipe(), tmp_path)
    shown = capsys.readouterr()
    assert "12/12" in shown.err
    assert "loss" in shown.err
    assert shown.out == ""
