"""Recipes from files and options."""

from __future__ import annotations

import pytest

from reference_model.training.dpo import DPORecipe
from reference_model.training.vae import VAERecipe
from stepbench.errors import UsageError
from stepbench.training.recipe_file import build_recipe
from stepbench.training.recipes import RECIPES

BASE = {"steps": 10, "batch_size": 2}


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        path = tmp_path / "recipe.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_options_win_over_the_file_and_the_file_over_defaults(file):
    path = file(
        'steps = 20\nlearning_rate = 1\nprecision = "bfloat16"\nbetas = [0.8, 0.99]\nmicro_batch_size = "none"\n'
    )
    recipe = build_recipe(VAERecipe, {**BASE, "micro_batch_size": 4, "kl_weight": 0.5}, path, ["steps=30"])
    assert (recipe.steps, recipe.batch_size, recipe.learning_rate) == (30, 2, 1)
    assert (recipe.precision, recipe.betas, recipe.kl_weight) == ("bfloat16", (0.8, 0.99), 0.5)
    assert recipe.micro_batch_size is None


def test_lists_and_none_as_options():
    recipe = build_recipe(
        VAERecipe, {**BASE, "fan_in_reference": 3}, None, ["betas=[0.1,0.2]", "fan_in_reference=none"]
    )
    assert recipe.betas == (0.1, 0.2)
    assert recipe.fan_in_reference is None
    assert build_recipe(DPORecipe, BASE, None, ["label_smoothing=votes"]).label_smoothing == "votes"
    assert build_recipe(DPORecipe, BASE, None, ['lora_layers=["mlp"]']).lora_layers == ("mlp",)


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("stps=3", r"VAERecipe \(--set\) has no setting 'stps'\n  hint: did you mean steps"),
        ("steps=many", "--set: steps must be a valid integer, got 'many'"),
        ("steps=1.5", "steps must be a valid integer, got 1.5"),
        ("steps=true", "steps must be a valid integer, got True"),
        ("steps=none", "steps must be a valid integer, got 'none'"),
        ("learning_rate=fast", "learning_rate must be a valid number, got 'fast'"),
        ("precision=half", "precision must be 'float32' or 'bfloat16', got 'half'"),
        ("gradient_checkpointing=1", "gradient_checkpointing must be a valid boolean, got 1"),
        ("betas=[0.9", "--set betas: not a list: '\\[0.9'"),
        ("betas=0.9", "betas must be"),
        ("steps=0", "steps must be at least 1, got steps=0"),
        ("steps", "a setting must be KEY=VALUE, got 'steps'"),
        ("betas=[0.9, nan]", "betas must be a finite number"),
    ],
)
def test_other_settings_are_refused(assignment, complaint):
    with pytest.raises(UsageError, match=complaint):
        build_recipe(VAERecipe, BASE, None, [assignment])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("steps = = 2", "recipe.toml: not TOML: Invalid value"),
        ("stepps = 2", r"VAERecipe \(.*recipe.toml\) has no setting 'stepps'"),
        ('steps = "2"', "recipe.toml: steps must be a valid integer, got '2'"),
        ("learning_rate = nan", "learning_rate must be a finite number, got nan"),
    ],
)
def test_mistakes_in_a_file_are_named(file, text, complaint):
    with pytest.raises(UsageError, match=complaint):
        build_recipe(VAERecipe, BASE, file(text), [])


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(UsageError, match="the recipe needs a value of steps and batch_size"):
        build_recipe(VAERecipe, {}, None, [])
    with pytest.raises(UsageError, match="no recipe file"):
        build_recipe(VAERecipe, {}, tmp_path / "nowhere.toml", [])
    with pytest.raises(UsageError, match="cannot be read"):
        build_recipe(VAERecipe, {}, tmp_path, [])


def test_the_recipes_of_the_package_are_recipes():
    for recipes in RECIPES.values():
        for make in recipes.values():
            made = make()
            assert type(made).from_dict(made.to_dict()) == made
