"""The policy of a gate: which metrics, how much may be lost in each, how sure one must be. Read strictly from TOML."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stepbench.errors import NothingSelectedError, UsageError

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class MetricPolicy(BaseModel):
    """What one metric must hold.

    Attributes:
        margin: Largest loss that is accepted, in the metric's unit, not negative.
        relative_margin: The same as a fraction of the size of the baseline's mean; one of the two is given.
        min_n: Prompts below which nothing is decided.
        floor: Lowest mean that the candidate may have on this suite.
        ceiling: Highest mean that it may have.
        direction: Which way is better, for a metric whose card leaves that open.
    """

    model_config = _STRICT

    margin: float | None = Field(default=None, ge=0)
    relative_margin: float | None = Field(default=None, ge=0)
    min_n: int = Field(default=2, ge=2)
    floor: float | None = None
    ceiling: float | None = None
    direction: Literal["higher", "lower"] | None = None

    @model_validator(mode="after")
    def _one_margin(self) -> MetricPolicy:
        if (self.margin is None) == (self.relative_margin is None):
            raise ValueError("give either margin or relative_margin")
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise ValueError(f"floor {self.floor} lies above ceiling {self.ceiling}")
        return self

    def margin_for(self, baseline_mean: float) -> float:
        """The margin in the metric's unit, given the mean it may be relative to."""
        return self.margin if self.margin is not None else (self.relative_margin or 0.0) * abs(baseline_mean)


class Policy(BaseModel):
    """A whole gate.

    Attributes:
        alpha: 1 - the coverage of the intervals; also the bound on the false alarms of the whole gate.
        min_coverage: Share of the planned samples that must be scored, on both sides, for a pass.
        metrics: Metric name, or full metric id, -> what it must hold.
    """

    model_config = _STRICT

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    min_coverage: float = Field(default=1.0, gt=0, le=1)
    metrics: dict[str, MetricPolicy] = {}


def as_policy(source: Policy | Mapping[str, Any] | str | Path) -> Policy:
    """A policy from a TOML file, from its parsed content, or as it is.

    Raises:
        UsageError: A file that cannot be read or is not TOML, an unknown key (with the nearest one), a value out of
            range, a metric without a margin.
        NothingSelectedError: It names no metric.
    """
    if isinstance(source, Policy):
        policy = source
    elif isinstance(source, Mapping):
        policy = _checked(source, "policy")
    else:
        policy = _checked(_parsed(Path(source)), str(source))
    if not policy.metrics:
        name = "the policy" if isinstance(source, Policy | Mapping) else str(source)
        raise NothingSelectedError(
            f"{name} names no metric: such a gate would pass everything", hint="add [metrics.NAME] with a margin"
        )
    return policy


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror}",
            hint="a policy is a TOML file with a table [metrics.NAME] and its margin for each metric; see docs/gate.md",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}", hint="mend the line named above") from error


def _checked(values: Mapping[str, Any], source: str) -> Policy:
    _refuse_unknown(values, list(Policy.model_fields), source)
    tables = values.get("metrics", {})
    for name, table in tables.items() if isinstance(tables, Mapping) else ():
        if isinstance(table, Mapping):
            _refuse_unknown(table, list(MetricPolicy.model_fields), f"{source}: [metrics.{name}]")
    try:
        return Policy.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        rule = first["msg"].removeprefix("Value error, ")
        value = "" if isinstance(first["input"], Mapping | MetricPolicy) else f", got {first['input']!r}"
        raise UsageError(f"{source}: {place}: {rule}{value}", hint="docs/gate.md lists every key") from error


def _refuse_unknown(values: Mapping[str, Any], known: list[str], source: str) -> None:
    for key in values:
        if key in known:
            continue
        if key in Policy.model_fields:
            hint = f"{key} holds for the whole gate: write it above the first [metrics.NAME]"
        elif key in MetricPolicy.model_fields:
            hint = f"{key} belongs to one metric: write it below its [metrics.NAME]"
        else:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
        raise UsageError(f"{source}: unknown key {key!r}", hint=hint)
