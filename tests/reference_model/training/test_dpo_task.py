"""Video-DPO as the loop calls it: the loss of a batch, what is logged, and which settings are refused."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from dpo_toys import LetterStates, scrambled_adapters, toy_model, toy_pairs
from torch import distributed, nn

from reference_model.errors import ConfigError
from reference_model.training.dpo import DPORecipe, DPOTask
from reference_model.training.dpo_measures import PairOutcome, figures
from reference_model.training.lora import merged
from reference_model.training.preferences import PreferenceDataError
from reference_model.training.text_states import PromptedTransformer

RECIPE = DPORecipe(steps=4, batch_size=4, lora_rank=2, lora_alpha=4.0, beta=50.0)
BOTH = pytest.mark.parametrize("rank", [2, 0], ids=["adapters", "all weights"])
EVERYONE = [0, 1, 2, 3]


def make_task(recipe=RECIPE, pairs=None, test=(), model=None, **options):
    return DPOTask(toy_model() if model is None else model, recipe, pairs or toy_pairs(6), list(test), **options)


def loss_of(task, step=0, samples=EVERYONE, model=None):
    return task.loss(model or task.model, task.batch(step, samples), step, samples)


class Spy(nn.Module):
    """Passes calls on and keeps their arguments."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.calls: list[tuple] = []

    def forward(self, *inputs):
        self.calls.append(inputs)
        return self.inner(*inputs)


@BOTH
def test_the_untrained_model_is_the_reference(rank):
    loss, measures = loss_of(make_task(replace(RECIPE, lora_rank=rank)))
    assert loss.item() == pytest.approx(math.log(2), abs=1e-7)
    assert measures["accuracy"].item() == 0.5
    for name in ("winner_drift", "loser_drift", "margin", "kl_proxy"):
        assert measures[name].item() == 0


def test_winner_and_loser_share_noise_and_time_in_one_call():
    task = make_task()
    spy = Spy(task.model)
    batch = task.batch(0, EVERYONE)
    task.loss(spy, batch, 0, EVERYONE)
    ((noisy, times, prompts, fps),) = spy.calls
    assert torch.equal(times[:4], times[4:])
    assert prompts[:4] == prompts[4:] == batch.prompts
    assert torch.equal(fps[:4], fps[4:])
    share = times[:4].view(-1, 1, 1, 1, 1)
    noises = [
        (half - share * data) / (1 - share)
        for half, data in zip(noisy.chunk(2), (batch.winner, batch.loser), strict=True)
    ]
    torch.testing.assert_close(*noises, rtol=1e-4, atol=1e-4)
    assert noises[0].std().item() == pytest.approx(1, abs=0.2)
    assert len(set(times[:4].tolist())) == 4


def test_noise_and_time_belong_to_the_step_and_the_sample():
    task = make_task()
    spy = Spy(task.model)
    batch = task.batch(0, EVERYONE)
    for step in (0, 1, 0):
        task.loss(spy, batch, step, EVERYONE)
    first, second, again = ((noisy, times) for noisy, times, *_ in spy.calls)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not (first[1] == second[1]).any()
    noise_of = [
        noisy - times.view(-1, 1, 1, 1, 1) * batch.winner.repeat(2, 1, 1, 1, 1) for noisy, times in (first, second)
    ]
    ratio = [values[0] / (1 - times[0]) for values, (_, times) in zip(noise_of, (first, second), strict=True)]
    assert not torch.allclose(*ratio)


@BOTH
def test_the_loss_equals_a_plain_computation(rank):
    recipe = replace(RECIPE, lora_rank=rank, beta=3.0, half=False, reduction="sum", label_smoothing="votes")
    recipe = replace(recipe, winner_weight=0.5)
    pairs = [replace(pair, share=share) for pair, share in zip(toy_pairs(4), (1.0, 0.8, 0.6, 0.75), strict=True)]
    task = make_task(recipe, pairs=pairs)
    if rank:
        scrambled_adapters(task.model, scale=0.02)
    else:
        with torch.no_grad():
            task.model.transformer.proj_out.weight.mul_(1.02)
    spy = Spy(task.model)
    batch = task.batch(0, EVERYONE)
    loss, measures = task.loss(spy, batch, 0, EVERYONE)

    ((noisy, times, prompts, fps),) = spy.calls
    plain = PromptedTransformer(merged(task.model.transformer), LetterStates(), train_text=False)
    reference = toy_model()
    losses, margins, drifts = [], [], []
    for row in range(4):
        gained = {}
        for side, data, number in (("winner", batch.winner, row), ("loser", batch.loser, row + 4)):
            one = slice(number, number + 1)
            noise = (noisy[one] - times[number] * data[row]) / (1 - times[number])
            target = data[row] - noise
            with torch.no_grad():
                own, frozen = (
                    ((model(noisy[one], times[one], prompts[one], fps[one]) - target) ** 2).sum().item()
                    for model in (plain, reference)
                )
            gained[side] = frozen - own
            if side == "winner":
                winner_error = own
        margins.append(3.0 * (gained["winner"] - gained["loser"]))
        drifts.append(-gained["winner"])
        wrong = 1 - batch.share[row].item()
        preference = (1 - wrong) * math.log1p(math.exp(-margins[-1])) + wrong * math.log1p(math.exp(margins[-1]))
        losses.append(preference + 0.5 * winner_error)
    assert max(map(abs, margins)) > 0.05
    assert measures["margin"].item() == pytest.approx(sum(margins) / 4, rel=1e-3, abs=1e-3)
    assert measures["winner_drift"].item() == pytest.approx(sum(drifts) / 4, rel=1e-3, abs=1e-3)
    assert measures["accuracy"].item() == sum(margin > 0 for margin in margins) / 4
    assert loss.item() == pytest.approx(sum(losses) / 4, rel=1e-3)


def test_a_batch_in_parts_has_the_same_loss():
    task = make_task()
    scrambled_adapters(task.model)
    whole, measures = loss_of(task, step=3)
    parts = [loss_of(task, step=3, samples=samples) for samples in ([0, 2], [1, 3])]
    assert whole.item() == pytest.approx(sum(loss.item() for loss, _ in parts) / 2, rel=1e-5)
    for name in ("winner_drift", "loser_drift", "margin", "kl_proxy", "accuracy"):
        of_parts = sum(part[name].item() for _, part in parts) / 2
        assert measures[name].item() == pytest.approx(of_parts, rel=1e-4, abs=1e-5)
    assert loss_of(task, step=4)[0].item() != whole.item()


def test_accuracy_by_time_bin():
    times = torch.tensor([0.0, 0.1, 0.3, 0.3, 0.6, 0.74])
    margins = torch.tensor([1.0, -2.0, 3.0, 0.5, 0.0, -1.0])
    zeros = torch.zeros(6)
    outcome = PairOutcome(loss=zeros, winner_drift=zeros, loser_drift=zeros, margin=margins, change=zeros, times=times)
    values = figures(outcome, 4)
    assert [values[f"accuracy_t{part}"].item() for part in (1, 2, 3)] == [0.5, 1.0, 0.25]
    assert values["accuracy_t4"].isnan()
    assert values["accuracy"].item() == pytest.approx(3.5 / 6)
    at_the_end = replace(outcome, times=torch.ones(6))
    assert figures(at_the_end, 4)["accuracy_t4"].item() == pytest.approx(3.5 / 6)


def test_gradients_reach_the_adapters_alone():
    task = make_task()
    scrambled_adapters(task.model)
    loss_of(task)[0].backward()
    for name, value in task.model.named_parameters():
        assert (value.grad is not None) == (".lora_" in name)


def test_dropped_prompts_are_empty():
    assert make_task(replace(RECIPE, text_dropout=1.0)).batch(0, EVERYONE).prompts == [""] * 4
    some = make_task(replace(RECIPE, text_dropout=0.5, batch_size=40)).batch(0, list(range(40))).prompts
    assert 8 <= some.count("") <= 32


def test_texts_are_encoded_once():
    task = make_task()
    for step in range(3):
        loss_of(task, step=step)
    assert task.model.text_encoder.asked <= 4


@BOTH
def test_evaluation_on_held_out_pairs(rank, tmp_path):
    task = make_task(
        replace(RECIPE, lora_rank=rank, held_out=3),
        test=toy_pairs(5, seed=9),
        judge=lambda folder, step: {"obeyed": step},
    )
    with torch.no_grad():
        at_start = task.evaluate(tmp_path, 7)
        assert at_start["loss"] == pytest.approx(math.log(2))
        assert at_start["obeyed"] == 7
        assert {at_start[f"accuracy_t{part}"] for part in range(1, 5)} == {0.5}
        if rank:
            scrambled_adapters(task.model)
        else:
            task.model.transformer.proj_out.weight.mul_(1.1)
        later = task.evaluate(tmp_path, 7)
        assert task.evaluate(tmp_path, 8) == {**later, "obeyed": 8}
    assert later["kl_proxy"] > 0
    by_bin = [later[f"accuracy_t{part}"] for part in range(1, 5)]
    assert later["accuracy"] == pytest.approx(sum(by_bin) / 4)
    assert later["margin"] == pytest.approx(-25 * (later["winner_drift"] - later["loser_drift"]), rel=1e-3)


def test_without_held_out_pairs_only_the_judge_speaks(tmp_path):
    assert make_task().evaluate(tmp_path, 0) == {}
    assert make_task(judge=lambda folder, step: {"obeyed": 1.0}).evaluate(tmp_path, 0) == {"obeyed": 1.0}


def test_the_frame_rate_is_a_condition_where_the_model_reads_it():
    pairs = toy_pairs(4)
    losses = []
    for fps in (8.0, 25.0):
        task = make_task(
            pairs=[replace(pair, fps=fps) for pair in pairs], model=toy_model(use_additional_conditions=True)
        )
        scrambled_adapters(task.model)
        losses.append(loss_of(task)[0].item())
    assert losses[0] != losses[1]


def test_pairs_of_several_shapes_need_small_batches():
    pairs = toy_pairs(2)
    pairs[1] = replace(pairs[1], winner=pairs[1].winner[:1], loser=pairs[1].loser[:1])
    task = make_task(pairs=pairs)
    with pytest.raises(PreferenceDataError, match=r"one shape, got .*\n  hint: micro_batch_size = 1"):
        task.batch(0, [0, 1])
    assert {task.batch(0, [sample]).winner.shape[1] for sample in (0, 1)} == {1, 3}


def test_text_encoders_that_are_trained_are_refused():
    model = PromptedTransformer(toy_model().transformer, LetterStates(), train_text=True)
    with pytest.raises(ConfigError, match="the text encoders must be frozen"):
        make_task(model=model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": 0.0}, "beta must be above 0, got beta=0.0"),
        ({"reduction": "median"}, "reduction is 'mean' or 'sum', got reduction='median'"),
        ({"objective": "cpo"}, "objective is 'sigmoid', 'ipo' or 'hinge', got objective='cpo'"),
        ({"label_smoothing": 0.5}, "label_smoothing must be 0 to below 0.5, or 'votes'"),
        ({"label_smoothing": "vote"}, "label_smoothing must be 0 to below 0.5, or 'votes', got label_smoothing='vote'"),
        ({"winner_weight": -1.0}, "winner_weight must not be negative, got winner_weight=-1.0"),
        ({"lora_rank": -1}, "lora_rank must not be negative"),
        ({"lora_alpha": 0.0}, "lora_alpha must be above 0"),
        ({"kept_change": 0.0}, "kept_change must be above 0, and at most 1, got kept_change=0.0"),
        ({"kept_change": 1.01}, "kept_change must be above 0, and at most 1"),
        ({"lora_layers": ()}, "lora_layers are some of attention, mlp"),
        ({"lora_layers": ("mlp", "norm")}, "lora_layers are some of attention, mlp"),
        ({"time_bins": 0}, "time_bins must be at least 1"),
        ({"train_text": True}, "the text encoders are not trained by preferences"),
    ],
)
def test_impossible_settings(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(RECIPE, **change)


def test_a_recipe_survives_json():
    assert DPORecipe.from_dict({**RECIPE.to_dict(), "lora_layers": ["attention", "mlp"]}) == RECIPE


@BOTH
def test_gradients_under_ddp_are_the_same(rank, tmp_path):
    recipe = replace(RECIPE, lora_rank=rank)
    alone = make_task(recipe)
    with torch.no_grad():
        for name, value in alone.model.named_parameters():
            if ".lora_B" in name or "proj_out" in name:
                value.add_(0.01)
    wrapped = copy.deepcopy(alone)
    loss_of(alone)[0].backward()
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        loss_of(wrapped, model=nn.parallel.DistributedDataParallel(wrapped.model))[0].backward()
    finally:
        distributed.destroy_process_group()
    ours, theirs = (
        {name: value.grad for name, value in task.model.named_parameters() if value.requires_grad}
        for task in (alone, wrapped)
    )
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        torch.testing.assert_close(theirs[name], gradient)
