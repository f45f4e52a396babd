"""Known problems of metrics, from `advisories.toml`: shown in amber wherever a number of theirs stands."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SHIPPED = Path(__file__).with_name("advisories.toml")


class Advisory(BaseModel):
    """One known problem.

    Attributes:
        metric: Name of the metric.
        versions: First and last version that have the problem; the last may be left open.
        severity: `note` (read the number with this in mind) or `warning` (do not decide by it alone).
        problem: What is wrong, in words.
        source: Where that was found.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = Field(min_length=1)
    first_version: int = Field(default=1, ge=1)
    last_version: int | None = Field(default=None, ge=1)
    severity: Literal["note", "warning"]
    problem: str = Field(min_length=1)
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Advisory:
        if self.last_version is not None and self.last_version < self.first_version:
            raise ValueError(f"versions run from {self.first_version} to {self.last_version}")
        return self

    def covers(self, card: Mapping[str, Any]) -> bool:
        """Whether the metric of this card has the problem."""
        version = int(card.get("version", 1))
        last = self.last_version if self.last_version is not None else version
        return self.metric == card["name"] and self.first_version <= version <= last


def read_advisories(path: Path = SHIPPED) -> tuple[Advisory, ...]:
    """The advisories of a file.

    Raises:
        pydantic.ValidationError: One lacks a field or has an unknown one.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(Advisory.model_validate(row) for row in table["advisory"])


def advisories_of(
    cards: Mapping[str, Mapping[str, Any]], advisories: tuple[Advisory, ...] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """metric_id -> its advisories as JSON values, warnings first; metrics without any are left out."""
    known = read_advisories() if advisories is None else advisories
    found = {
        metric_id: [
            one.model_dump() for one in sorted(known, key=lambda one: one.severity, reverse=True) if one.covers(card)
        ]
        for metric_id, card in cards.items()
    }
    return {metric_id: rows for metric_id, rows in found.items() if rows}
