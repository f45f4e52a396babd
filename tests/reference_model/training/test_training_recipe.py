"""Schedule, learning rates and what a recipe refuses."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_models import VAE
from training_toys import ToyModel, toy_recipe

from reference_model.errors import CheckpointError, ConfigError
from reference_model.training.optimiser import build_optimiser, optimiser_state, restore_optimiser, set_rate
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.vae import VAERecipe
from reference_model.vae.model import VideoVAE


def test_the_rate_rises_stays_and_falls():
    recipe = TrainingRecipe(steps=10, batch_size=1, warmup_steps=4, decay_share=0.3)
    assert [recipe.rate_at(step) for step in range(10)] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 2 / 3, 1 / 3])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500), st.integers(0, 600), st.floats(0, 1))
def test_every_step_has_a_positive_rate_of_at_most_the_peak(steps, warmup, decay):
    recipe = TrainingRecipe(steps=steps, batch_size=1, warmup_steps=warmup, decay_share=decay)
    rates = [recipe.rate_at(step) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_rates_shrink_with_the_fan_in():
    """A 3x3 convolution of 4 channels sums 36 products, the last layer 4; biases and norms are no sums."""
    model = ToyModel()
    optimiser = build_optimiser(model, toy_recipe(learning_rate=0.1, fan_in_reference=9))
    rates = {id(value): group["lr"] for group in optimiser.param_groups for value in group["params"]}
    assert rates[id(model.blocks[0].conv.weight)] == pytest.approx(0.1 * 9 / 36)
    assert rates[id(model.outlet.weight)] == pytest.approx(0.1)
    assert rates[id(model.blocks[0].conv.bias)] == pytest.approx(0.1)
    set_rate(optimiser, 0.5)
    assert {group["lr"] for group in optimiser.param_groups} == {0.05 * 9 / 36, 0.05}
    set_rate(optimiser, 1.0)
    assert {group["lr"] for group in optimiser.param_groups} == {0.1 * 9 / 36, 0.1}


def test_only_matrices_decay_and_only_what_is_trained_is_there():
    model = ToyModel()
    optimiser = build_optimiser(model, toy_recipe(weight_decay=0.1))
    for group in optimiser.param_groups:
        assert all((value.ndim > 1) == (group["weight_decay"] == 0.1) for value in group["params"])
    there = {id(value) for group in optimiser.param_groups for value in group["params"]}
    assert there == {id(value) for value in model.parameters() if value.requires_grad}


def test_moments_of_other_weights_are_refused():
    model, other = ToyModel(), torch.nn.Linear(4, 1)
    optimiser = build_optimiser(model, toy_recipe())
    model(torch.ones(1, 1, 4, 4)).sum().backward()
    optimiser.step()
    with pytest.raises(CheckpointError, match=r"blocks\.0\.conv\.weight/.* belongs to no trained parameter"):
        restore_optimiser(build_optimiser(other, toy_recipe()), other, optimiser_state(optimiser, model))


def test_a_recipe_is_what_its_json_says():
    recipe = VAERecipe(steps=5, batch_size=2, betas=[0.8, 0.9], trained="decoder", micro_batch_size=1)
    assert VAERecipe.from_dict(recipe.to_dict()) == recipe
    with pytest.raises(ConfigError, match="has no key 'kl_wait'"):
        VAERecipe.from_dict({"steps": 1, "batch_size": 1, "kl_wait": 1.0})


@pytest.mark.parametrize("recipe", [TrainingRecipe, VAERecipe])
def test_what_may_change_exists(recipe):
    assert {field.name for field in fields(recipe)} >= recipe.MAY_CHANGE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", 0),
        ("micro_batch_size", -1),
        ("fan_in_reference", -3),
        ("learning_rate", 0.0),
        ("warmup_steps", -1),
        ("decay_share", 1.5),
        ("betas", (0.9,)),
        ("betas", (0.9, 1.0)),
        ("weight_decay", -0.1),
        ("clip_norm", 0.0),
        ("ema_decay", 1.0),
        ("precision", "float16"),
        ("strategy", "dp"),
        ("log_every", 0),
        ("save_every", 0),
        ("sample_every", 0),
        ("keep_checkpoints", 0),
        ("kl_weight", -1.0),
        ("moving_weight", -1.0),
        ("image_share", 1.1),
        ("image_steps", -1),
        ("start_clips", -1),
        ("held_out", 0),
        ("trained", "encoder"),
        ("perceptual_weight", -1.0),
        ("adversarial_weight", -1.0),
        ("adversarial_start", -1),
        ("adversarial_width", 0),
        ("adversarial_r1", -1.0),
    ],
)
def test_impossible_values_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        VAERecipe(**{"steps": 1, "batch_size": 1, name: value})


def test_fan_in_of_a_real_model():
    vae = VideoVAE(VAE)
    optimiser = build_optimiser(vae, toy_recipe(learning_rate=1.0, fan_in_reference=1))
    rates = {id(value): group["lr"] for group in optimiser.param_groups for value in group["params"]}
    weight = vae.encoder.conv_in.conv.weight
    assert rates[id(weight)] == pytest.approx(1 / weight[0].numel())
