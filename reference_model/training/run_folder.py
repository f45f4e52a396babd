"""The recipe that a run's folder belongs to."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from reference_model.errors import ConfigError
from reference_model.training.recipe import TrainingRecipe

RECIPE_FILE = "recipe.json"


def check_recipe(recipe: TrainingRecipe, folder: Path) -> None:
    """Refuses a folder that holds a run of another recipe.

    Raises:
        ConfigError: With the settings that differ.
    """
    file = folder / RECIPE_FILE
    if not file.is_file():
        return
    # A setting that did not exist yet when the run was started counts as its default.
    defaults = {field.name: field.default for field in fields(recipe) if field.default is not MISSING}
    before = _plain(defaults | json.loads(file.read_text(encoding="utf-8")))
    now = _described(recipe)
    changed = sorted(
        key for key in before.keys() | now.keys() if before.get(key) != now.get(key) and key not in recipe.MAY_CHANGE
    )
    if changed:
        values = ", ".join(f"{key} {before.get(key)!r} -> {now.get(key)!r}" for key in changed)
        raise ConfigError(
            f"{folder} holds a run of another recipe: {values}",
            hint=f"use another folder, or the recipe of {RECIPE_FILE} in it",
        )


def write_recipe(recipe: TrainingRecipe, folder: Path) -> None:
    """Writes `recipe.json`."""
    partial = folder / f".{RECIPE_FILE}.partial"
    partial.write_text(json.dumps(_described(recipe), indent=1) + "\n", encoding="utf-8")
    os.replace(partial, folder / RECIPE_FILE)


def _described(recipe: TrainingRecipe) -> dict[str, Any]:
    return _plain({"recipe": type(recipe).__name__, **recipe.to_dict()})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON would give it back: lists in place of tuples."""
    return json.loads(json.dumps(values))
