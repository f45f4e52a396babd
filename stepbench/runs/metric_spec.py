"""A metric as it is written down: a name, or a name with options, as in `fvd(backbone=i3d, frames=16)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from stepbench.errors import UsageError

Value = bool | int | float | str

_SPEC = re.compile(r"\s*(?P<name>[^()\s]+)\s*(?:\((?P<options>.*)\))?\s*", re.DOTALL)
_OPTION = re.compile(r"\s*(?P<key>[A-Za-z_]\w*)\s*=\s*(?:\"(?P<quoted>[^\"]*)\"|(?P<bare>[^\s,\"]+))\s*(?:,|$)")
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """What a user asked for.

    Attributes:
        name: As it was typed.
        options: Whole numbers, numbers, true and false as such, everything else as text.
    """

    name: str
    options: Mapping[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        """As it can be typed again."""
        told = ", ".join(f"{key}={_written(value)}" for key, value in self.options.items())
        return f"{self.name}({told})" if told else self.name


def parse_metric(text: str) -> MetricSpec:
    """Read `NAME` or `NAME(KEY=VALUE, ...)`; a value with spaces or commas stands in double quotes.

    Raises:
        UsageError: Anything else, or an option given twice.
    """
    match = _SPEC.fullmatch(text)
    if match is None:
        raise _unreadable(text)
    rest, options = (match["options"] or "").strip(), dict[str, Value]()
    while rest:
        option = _OPTION.match(rest)
        if option is None:
            raise _unreadable(text)
        key = option["key"]
        if key in options:
            raise UsageError(f"metric {text!r} has the option {key!r} twice", hint="leave one of them out")
        options[key] = _value(option["bare"]) if option["quoted"] is None else option["quoted"]
        rest = rest[option.end() :]
    return MetricSpec(name=match["name"], options=options)


def _value(text: str) -> Value:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _written(value: Value) -> str:
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    plain = re.fullmatch(r"[^\s,()\"]+", value) and _value(value) == value
    return value if plain else f'"{value}"'


def _unreadable(text: str) -> UsageError:
    return UsageError(
        f"a metric is written NAME or NAME(KEY=VALUE, ...), got {text!r}",
        hint='for example -m "fvd(backbone=i3d, frames=16)"; a value with commas or spaces stands in double quotes',
    )
