"""Pairs from a table of any origin: columns checked, ids made, nothing guessed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from stepbench.canonical import sha256_json
from stepbench.preferences.database import storable
from stepbench.preferences.errors import StudyError
from stepbench.preferences.records import KINDS, Pair

if TYPE_CHECKING:
    import pandas as pd

Pairs = "pd.DataFrame | Iterable[Mapping[str, Any] | Pair]"
NEEDED = ("prompt_id", "model_1", "model_2")
_FIELDS = {field.name for field in fields(Pair)}
_NUMBERS = {"seed", "frames", "fps", "target_votes", "propensity", "order"}
_REAL = {"fps", "propensity"}


def read_pairs(table: pd.DataFrame | Iterable[Mapping[str, Any] | Pair]) -> list[Pair]:
    """Pairs from a data frame, from dicts, or from `Pair` records.

    Needed are prompt_id, model_1 and model_2; text, clip_1 and clip_2 are usual; every other field of `Pair` may be
    there. model_a, clip_a and the like are read as model_1, clip_1. A pair without an id gets one from its content.

    Raises:
        StudyError: A column that is missing or unknown, a value of the wrong kind, the same id twice; names the row.
    """
    rows = _rows(table)
    for number, row in enumerate(rows):
        _check_texts(number, vars(row) if isinstance(row, Pair) else row)
    pairs = [row if isinstance(row, Pair) else _pair(number, row) for number, row in enumerate(rows)]
    seen: dict[str, int] = {}
    for number, pair in enumerate(pairs):
        _check(number, pair)
        first = seen.setdefault(pair.pair_id, number)
        if first != number:
            raise StudyError(
                f"pair {number} has the id {pair.pair_id!r} of pair {first}",
                hint="give each pair a pair_id of its own, or drop the copy",
            )
    return pairs


def neutral_id(*content: Any) -> str:
    """An id that is a function of the content and tells nothing of it."""
    return f"p{sha256_json(list(content))[:16]}"


def _rows(table: Any) -> list[Any]:
    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        return table.to_dict(orient="records")
    return list(table)


def _pair(number: int, row: Mapping[str, Any]) -> Pair:
    values: dict[str, Any] = {}
    for name, value in row.items():
        field = _field(number, str(name))
        if field in values:
            raise StudyError(f"pair {number} has {field!r} twice", hint="keep one of the two columns")
        values[field] = _value(number, field, value)
    given = {field: value for field, value in values.items() if value is not None}
    missing = [field for field in NEEDED if field not in given]
    if missing:
        raise StudyError(
            f"pair {number} lacks {', '.join(missing)}", hint="a pair needs prompt_id, model_1 and model_2"
        )
    identity = sorted((field, value) for field, value in given.items() if field not in ("order", "target_votes"))
    given.setdefault("pair_id", neutral_id(identity))
    return replace(Pair(pair_id="", prompt_id="", model_1="", model_2="", order=number), **given)


def _field(number: int, name: str) -> str:
    renamed = {"_a": "_1", "_b": "_2"}.get(name[-2:])
    field = name[:-2] + renamed if renamed and name not in _FIELDS else name
    if field not in _FIELDS:
        close = difflib.get_close_matches(name, sorted(_FIELDS), n=1) or list(NEEDED)
        raise StudyError(f"pair {number} has an unknown column {name!r}", hint=f"did you mean {' or '.join(close)}?")
    return field


def _value(number: int, field: str, value: Any) -> Any:
    value = value.item() if hasattr(value, "item") and not isinstance(value, str) else value
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) in ("<NA>", "NaT"):
        return None
    stem = field[:-2] if field[-2:] in ("_1", "_2") else field
    if stem not in _NUMBERS:
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise StudyError(f"pair {number}: {field} must be a number, got {value!r}")
    if stem in _REAL:
        return float(value)
    if value != int(value):
        raise StudyError(f"pair {number}: {field} must be a whole number, got {value!r}")
    if abs(value) >= (2**63 if stem == "seed" else 2**31):
        raise StudyError(f"pair {number}: {field} is too large to be stored, got {value!r}")
    return int(value)


def _check_texts(number: int, row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        if isinstance(value, str) and not storable(value):
            raise StudyError(
                f"pair {number}: {name} cannot hold a NUL or half a surrogate pair, got {value[:80]!r}",
                hint="no database stores it; correct the text",
            )


def _check(number: int, pair: Pair) -> None:
    problem = ""
    if pair.kind not in KINDS:
        problem = f"kind must be one of {', '.join(KINDS)}, got {pair.kind!r}"
    elif not 0 < len(pair.pair_id) <= 100:
        problem = f"pair_id must have 1 to 100 characters, got {pair.pair_id[:40]!r}"
    elif pair.expected not in (None, "1", "2"):
        problem = f'expected must be "1" or "2", got {pair.expected!r}'
    elif pair.kind == "gold" and pair.expected is None:
        problem = "a gold pair says which clip is expected to win"
    elif pair.kind == "real" and _clip(pair, "1") == _clip(pair, "2"):
        problem = f"a clip of model {pair.model_1!r} is compared with itself, or nothing tells the two apart"
    elif pair.kind == "repeat" and pair.repeat_of is None:
        problem = "a repeat says which pair it repeats (repeat_of)"
    elif pair.target_votes is not None and pair.target_votes < 1:
        problem = f"target_votes must be at least 1, got {pair.target_votes}"
    elif not 0 < pair.propensity <= 1:
        problem = f"propensity must be above 0 and at most 1, got {pair.propensity}"
    if problem:
        raise StudyError(f"pair {number} ({pair.pair_id or pair.prompt_id}): {problem}", hint="correct the row")


def _clip(pair: Pair, side: str) -> tuple[Any, ...]:
    """What tells one clip from another: two seeds of one model may well be compared."""
    return tuple(getattr(pair, f"{name}_{side}") for name in ("model", "run", "seed", "sample_key", "clip"))
