"""What all configurations share: read from and written to plain values, each checked against its annotation."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any, TypeVar

from reference_model.errors import ConfigError

AnyConfig = TypeVar("AnyConfig", bound="CheckedConfig")


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)


def _are_whole(values: Any) -> bool:
    return isinstance(values, Sequence) and all(map(_is_whole, values))


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("a whole number", _is_whole),
    "int | None": ("a whole number, or None", lambda value: value is None or _is_whole(value)),
    "float": ("a number", _is_number),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "str": ("text", lambda value: isinstance(value, str)),
    "Sequence[int]": ("whole numbers", _are_whole),
    "Sequence[int] | None": ("whole numbers, or None", lambda values: values is None or _are_whole(values)),
    "int | Sequence[int]": ("one or more whole numbers", lambda value: _is_whole(value) or _are_whole(value)),
}
"""Annotation of a field -> what its values must be, in words and as a check: JSON and TOML files hold anything."""


@dataclass(frozen=True, kw_only=True)
class CheckedConfig:
    """Base of the frozen configurations; what is said of a field's kind in its annotation holds for its value."""

    def __post_init__(self) -> None:
        for field in fields(self):
            kind, fits = _KINDS.get(str(field.type), ("", None))
            self._require(fits is None or fits(getattr(self, field.name)), f"{field.name} must be {kind}", field.name)

    @classmethod
    def from_dict(cls: type[AnyConfig], values: Mapping[str, Any], *, ignore_unknown: bool = False) -> AnyConfig:
        """Builds a config from a parsed `config.json`; keys with a leading underscore are metadata and skipped.

        Args:
            values: The parsed file.
            ignore_unknown: Skip keys that this config lacks; for files that also hold settings of other programs.

        Raises:
            ConfigError: For an unknown key, with the nearest known one.
        """
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in values.items() if not key.startswith("_")}
        unknown = sorted(values.keys() - known)
        if unknown and not ignore_unknown:
            nearest = difflib.get_close_matches(unknown[0], known, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known keys: {', '.join(sorted(known))}"
            raise ConfigError(f"{cls.__name__} has no key {unknown[0]!r}", hint=hint)
        return cls(**{key: value for key, value in values.items() if key in known})

    def to_dict(self) -> dict[str, Any]:
        """All keys and values as plain Python, ready for JSON."""
        return asdict(self)

    def _set(self, key: str, value: Any) -> None:
        # Only for __post_init__: lists from JSON become tuples and defaults that depend on other keys get their value.
        object.__setattr__(self, key, value)

    def _require(self, holds: bool, rule: str, *keys: str) -> None:
        if not holds:
            values = ", ".join(f"{key}={getattr(self, key)!r}" for key in keys)
            raise ConfigError(f"{type(self).__name__}: {rule}, got {values}")

    def _require_positive(self, *keys: str) -> None:
        for key in keys:
            self._require(getattr(self, key) > 0, f"{key} must be above 0", key)
