"""Write the tables of settings in docs/training.md from the recipes: `python docs/training_settings.py`."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

from reference_model.training.distill import DistillRecipe
from reference_model.training.dpo import DPORecipe
from reference_model.training.flow import FlowRecipe
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.vae import VAERecipe

PAGE = Path(__file__).resolve().parent / "training.md"
RECIPES: dict[str, type[TrainingRecipe]] = {
    "all": TrainingRecipe,
    "vae": VAERecipe,
    "flow": FlowRecipe,
    "distill": DistillRecipe,
    "dpo": DPORecipe,
}
BEGIN, END = "<!-- settings of {name}: made by docs/training_settings.py -->", "<!-- end of settings -->"


def table(recipe: type[TrainingRecipe]) -> str:
    """The fields that a recipe declares itself: name, default, what its docstring says."""
    own = inspect.get_annotations(recipe)
    meanings = _meanings(recipe)
    rows = [
        f"| `{field.name}` | {_default(field)} | {meanings[field.name]} |"
        for field in dataclasses.fields(recipe)
        if field.name in own
    ]
    return "\n".join(["| setting | default | |", "|---|---|---|", *rows])


def page_with_tables(page: str) -> str:
    """The page with fresh tables between its marks."""
    for name, recipe in RECIPES.items():
        begin = BEGIN.format(name=name)
        before, mark, rest = page.partition(begin)
        if not mark:
            raise ValueError(f"{PAGE.name} lacks the line {begin}")
        page = f"{before}{begin}\n{table(recipe)}\n{rest[rest.index(END) :]}"
    return page


def _meanings(recipe: type[TrainingRecipe]) -> dict[str, str]:
    """Attribute -> its description, those of the classes it is derived from included."""
    found: dict[str, str] = {}
    for kind in reversed(recipe.__mro__):
        _, _, attributes = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
        for name, text in re.findall(r"^ {4}(\w+): ((?:.|\n(?! {4}\w))*)", attributes, re.MULTILINE):
            found[name] = " ".join(text.split()).replace("|", "\\|")
    return found


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "needed"
    if field.default is None:
        return "none"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{json.dumps(value)}`" if isinstance(value, list | bool) else f"`{value}`"


if __name__ == "__main__":
    old = PAGE.read_text(encoding="utf-8")
    new = page_with_tables(old)
    if "--check" in sys.argv and new != old:
        sys.exit(f"{PAGE.name}: the tables are out of date; run `python docs/training_settings.py`")
    PAGE.write_text(new, encoding="utf-8")
