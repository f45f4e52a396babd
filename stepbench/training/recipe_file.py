"""Recipes from a TOML file and from `KEY=VALUE` texts, checked against the fields of the recipe's dataclass."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from reference_model.errors import ReferenceModelError
from reference_model.training.recipe import TrainingRecipe
from stepbench.errors import UsageError
from stepbench.generators.settings import parse_settings, refuse_unknown_settings

Recipe = TypeVar("Recipe", bound=TrainingRecipe)
NONE = "none"
"""How a file or an option says None, where a setting can be that."""


def build_recipe(
    kind: type[Recipe], defaults: Mapping[str, Any], file: Path | None, assignments: Sequence[str]
) -> Recipe:
    """A recipe from, the later ones first: `KEY=VALUE` texts, a TOML file, defaults.

    Args:
        kind: Which recipe.
        defaults: Values of its fields, not all of them.
        file: A table of fields.
        assignments: Values are read as integer, number, true/false, a list in square brackets, else text.

    Raises:
        UsageError: A file that is not TOML, a key that the recipe lacks (with the nearest ones), a value of the wrong
            type, a missing one, or a combination that the recipe refuses.
    """
    given = _file_values(file) if file is not None else {}
    _check(kind, given, str(file))
    changes = {key: _listed(key, value) for key, value in parse_settings(assignments).items()}
    _check(kind, changes, "--set")
    values = {**defaults, **_without_none(given), **_without_none(changes)}
    missing = [name for name in _required(kind) if name not in values]
    if missing:
        raise UsageError(
            f"the recipe needs a value of {' and '.join(missing)}",
            hint=f"for example --set {missing[0]}=1000, or --recipe FILE.toml",
        )
    try:
        return kind(**values)
    except ReferenceModelError as error:
        raise UsageError(error.message, hint=error.hint or "see docs/training.md") from error


def _file_values(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"no recipe file {str(file)!r}", hint="write --recipe FILE.toml") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}", hint="write --recipe FILE.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not TOML: {error}", hint="mend the line named above") from error


def _check(kind: type[TrainingRecipe], values: Mapping[str, Any], source: str) -> None:
    hints = get_type_hints(kind)
    fields = [field.name for field in dataclasses.fields(kind)]
    refuse_unknown_settings(f"{kind.__name__} ({source})", values, fields)
    for name, value in values.items():
        if value == NONE and type(None) in getattr(hints[name], "__args__", ()):
            continue
        try:
            TypeAdapter(hints[name], config=_STRICT).validate_python(value)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Input should be ")
            raise UsageError(
                f"{source}: {name} must be {message}, got {value!r}", hint=f"it is declared as {_spelled(hints[name])}"
            ) from error


_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def _listed(key: str, value: Any) -> Any:
    if not (isinstance(value, str) and value.startswith("[")):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--set {key}: not a list: {value!r}", hint="for example --set betas=[0.9,0.95]") from error


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if value == NONE else value for key, value in values.items()}


def _required(kind: type[TrainingRecipe]) -> list[str]:
    fields = dataclasses.fields(kind)
    return [
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


def _spelled(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint)) if isinstance(hint, type) else str(hint).replace("typing.", "")
