"""Checks of settings that several generators share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from stepbench.errors import UsageError
from stepbench.records import Settings


def refuse_unknown_settings(generator: str, settings: Settings, known: Iterable[str]) -> None:
    """Raise `UsageError` for the first setting that `generator` does not know, with the closest known names."""
    known = sorted(known)
    for name in settings:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3) or known
            raise UsageError(f"{generator} has no setting {name!r}", hint=f"did you mean {' or '.join(close)}?")


def parse_settings(assignments: Iterable[str]) -> dict[str, Any]:
    """`KEY=VALUE` texts as settings; values are read as integer, number, true/false, else text.

    Raises:
        UsageError: A text without `=` or with an empty key, or a key given twice.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise UsageError(f"a setting must be KEY=VALUE, got {assignment!r}", hint="for example --set steps=30")
        if key in settings:
            raise UsageError(f"setting {key!r} is given twice", hint="keep one of the two")
        settings[key] = _parse_value(value)
    return settings


def _parse_value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if value == value and abs(value) != float("inf"):
            return value
    return text
