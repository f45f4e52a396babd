"""Which settings a sweep tries: every combination of the given values, or some of them at random. Pure."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from stepbench.canonical import canonical_json
from stepbench.errors import UsageError
from stepbench.generators.settings import parse_settings

MOST_POINTS = 10_000


def parse_axes(assignments: Iterable[str]) -> dict[str, list[Any]]:
    """`guidance=3,5,9` texts as setting -> values.

    Values are JSON where all of them are: numbers, true, false, null, `"a text, with a comma"`, lists. Else they are
    read as `run --set` reads them: `variant=t2v,turbo`.

    Raises:
        UsageError: A text without `=`, a setting given twice, a value given twice, or one that is cut by a comma.
    """
    axes: dict[str, list[Any]] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key or not text.strip():
            raise UsageError(
                f"a swept setting must be KEY=VALUE,VALUE, got {assignment!r}", hint="for example --set steps=10,25,50"
            )
        if key in axes:
            raise UsageError(f"setting {key!r} is given twice", hint="put all its values into one --set")
        axes[key] = _values(key, text)
    if not axes:
        raise UsageError("a sweep needs a setting to sweep", hint="for example --set guidance=3,5,9 --set steps=10,25")
    return axes


def grid_points(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination, the last setting changing fastest.

    Raises:
        UsageError: More than `MOST_POINTS` of them.
    """
    count = math.prod(len(values) for values in axes.values())
    if count > MOST_POINTS:
        raise UsageError(f"the grid has {count} points, at most {MOST_POINTS} can be listed", hint="give fewer values")
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def random_points(axes: Mapping[str, Sequence[Any]], count: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """So many different points of the grid, in random order: more of them with an equal generator begin with these.

    Raises:
        UsageError: A count below 1 or above the size of the grid.
    """
    points = grid_points(axes)
    if not 1 <= count <= len(points):
        raise UsageError(
            f"--random must be from 1 to the {len(points)} points of the grid, got {count}", hint="leave it out for all"
        )
    return [points[place] for place in rng.permutation(len(points))[:count]]


def labels_of(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """`guidance=3 steps=10` for people: the settings that differ between the points, or all where none does."""
    spelled = [{key: canonical_json(value) for key, value in point.items()} for point in points]
    varied = {key for one in spelled for key, value in one.items() if value != spelled[0].get(key)}
    return [_label({key: point[key] for key in point if key in varied or not varied}) for point in points]


def _label(point: Mapping[str, Any]) -> str:
    return " ".join(
        f"{key}={value if isinstance(value, str) else canonical_json(value)}" for key, value in point.items()
    )


def _values(key: str, text: str) -> list[Any]:
    try:
        values = json.loads(f"[{text}]", parse_constant=_refuse)
    except ValueError:
        parts = text.split(",")
        broken = [part for part in parts if not part.strip() or part.strip()[0] in "[{\"'"]
        if broken:
            raise UsageError(
                f"cannot read the values of {key!r}: {broken[0]!r} in {text!r}",
                hint="""quote texts that hold commas, all of them: --set 'negative_prompt="a, b","c"'""",
            ) from None
        values = [parse_settings([f"{key}={part.strip()}"])[key] for part in parts]
    spelled = [canonical_json(value) for value in values]
    twice = [value for value in spelled if spelled.count(value) > 1]
    if twice:
        raise UsageError(f"setting {key!r} has the value {twice[0]} twice", hint="leave one of them out")
    return values


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
