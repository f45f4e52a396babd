"""A quality policy: thresholds on three axes, read strictly from TOML."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stepbench.canonical import sha256_json
from stepbench.errors import UsageError

AXES = {
    "intent": "intent consistency: does the clip show what was asked for",
    "quality": "picture and motion quality",
    "rights": "rights and likeness: characters, brands and persons, faces, copies",
}
FLAGS = ("named_characters", "face_present", "near_duplicate")
"""The checks that the rights axis makes unless the policy says why not."""


class Rule(BaseModel):
    """When a metric's value accepts a clip, when it rejects it; a person decides in between.

    Attributes:
        accept: Values at this one or on its better side are accepted.
        reject: Values at this one or on its worse side are rejected. Without it nothing is rejected by itself.
        accept_between: For metrics where neither direction is better: accepted from low to high.
        reject_outside: For those: rejected below low and above high.
        languages: Of the prompts that the rule is for, as `en`; all if empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    accept: float | None = None
    reject: float | None = None
    accept_between: tuple[float, float] | None = None
    reject_outside: tuple[float, float] | None = None
    languages: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Rule:
        if (self.accept is None) == (self.accept_between is None):
            raise ValueError("a rule needs either accept or accept_between")
        strangers = self.reject_outside if self.accept_between is None else self.reject
        if strangers is not None:
            raise ValueError("reject goes with accept, reject_outside with accept_between")
        for bounds in (self.accept_between, self.reject_outside):
            if bounds is not None and bounds[0] > bounds[1]:
                raise ValueError(f"bounds run from low to high, got {list(bounds)}")
        inner, outer = self.accept_between, self.reject_outside
        if inner and outer and not outer[0] <= inner[0] <= inner[1] <= outer[1]:
            raise ValueError("reject_outside must hold accept_between")
        return self

    def covers(self, language: str) -> bool:
        """Whether the rule is for prompts of this language; `zh` covers `zh-Hans`."""
        return not self.languages or language in self.languages or language.split("-")[0] in self.languages


class _Axis(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    waived: str = ""
    rules: dict[str, Rule] = Field(default_factory=dict)
    skip: dict[str, str] = Field(default_factory=dict)
    names: str = ""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Attributes:
    name: For readers.
    hash: Hex sha256 over everything that decides, the list of names included.
    rules: Axis -> metric -> rule. The flags of the rights axis are among them unless skipped.
    waived: Axis -> why it is not looked at.
    skipped: Flag -> why it is not looked at.
    names: Names of the user's list, beside those that come with the package.
    """

    name: str
    hash: str
    rules: Mapping[str, Mapping[str, Rule]]
    waived: Mapping[str, str]
    skipped: Mapping[str, str]
    names: tuple[str, ...] = ()


def default_policy_file() -> Path:
    """The policy that comes with the package."""
    return Path(str(files("stepbench.review") / "data" / "quality.toml"))


def read_policy(path: Path | None = None) -> Policy:
    """Read and check a policy; None takes the one of the package.

    Raises:
        UsageError: The file is missing, no TOML, or breaks a rule; an axis is neither ruled nor waived with a reason;
            a metric that does not exist, with a suggestion.
    """
    path = path or default_policy_file()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"no quality policy can be read from {path}: {error}", hint="see docs/review.md") from error
    name = data.pop("name", path.stem)
    unknown = [key for key in data if key not in AXES]
    if unknown or not isinstance(name, str):
        raise _bad(path, f"a policy has name and the axes {', '.join(AXES)}, got {(unknown or [name])[0]!r}")
    axes = {axis: _axis(path, axis, data.get(axis, {})) for axis in AXES}
    names = _names(path, axes["rights"].names)
    # The hash stands for what is decided, not for how the file is laid out.
    decided = {axis: one.model_dump(mode="json", exclude={"names"}) for axis, one in axes.items()}
    return Policy(
        name=name,
        hash=sha256_json({"axes": decided, "names": list(names)}),
        rules={axis: one.rules for axis, one in axes.items()},
        waived={axis: one.waived for axis, one in axes.items() if one.waived},
        skipped=axes["rights"].skip,
        names=names,
    )


def _axis(path: Path, axis: str, table: Any) -> _Axis:
    if not isinstance(table, dict):
        raise _bad(path, f"[{axis}] must be a table, got {table!r}")
    own = {key: table[key] for key in ("waived", "skip", "names") if key in table}
    rules = {key: value for key, value in table.items() if key not in own}
    try:
        read = _Axis.model_validate(own | {"rules": rules})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "rules")
        raise _bad(path, f"[{axis}] {place}: {first['msg'].removeprefix('Value error, ')}") from error
    _check_metrics(path, axis, read.rules)
    if axis != "rights":
        if read.skip or read.names:
            raise _bad(path, f"[{axis}] skip and names belong to [rights]")
    elif not read.waived:
        read = _with_flags(path, read)
    if read.waived and (read.rules or read.skip or read.names):
        raise _bad(path, f"[{axis}] is waived, and yet it has rules")
    if not read.waived.strip() and not read.rules:
        raise _bad(path, f"[{axis}] has no rule", f'add one, or say why not: waived = "..." ({AXES[axis]})')
    return read


def _with_flags(path: Path, rights: _Axis) -> _Axis:
    for flag, why in rights.skip.items():
        if flag not in FLAGS or not why.strip() or flag in rights.rules:
            raise _bad(path, f"[rights] skip needs {', '.join(FLAGS)} and a reason, got {flag} = {why!r}")
    flags = {flag: Rule(accept=0) for flag in FLAGS if flag not in rights.skip}
    return rights.model_copy(update={"rules": flags | rights.rules})


def _check_metrics(path: Path, axis: str, rules: Mapping[str, Rule]) -> None:
    from metrics.registry import METRICS

    for metric in rules:
        if metric not in METRICS:
            close = difflib.get_close_matches(metric, METRICS, n=2)
            hint = f"did you mean {' or '.join(close)}?" if close else "`stepbench list metrics` shows them"
            raise _bad(path, f"[{axis}.{metric}]: there is no such metric", hint)


def _names(path: Path, name: str) -> tuple[str, ...]:
    if not name:
        return ()
    file = path.parent / name
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, f"[rights] names: {file} cannot be read: {error}", "give a UTF-8 text file") from error
    found = tuple(line for raw in lines if (line := raw.partition("#")[0].strip()))
    if not found:
        raise _bad(path, f"[rights] names: {file} holds no name", "one name per line")
    return found


def _bad(path: Path, message: str, hint: str = "see docs/review.md") -> UsageError:
    return UsageError(f"{path}: {message}", hint=hint)
