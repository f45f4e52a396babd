"""The outcome of one check of a submission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Check:
    """The outcome of one check.

    Attributes:
        name: What was checked, in one word.
        result: `skipped` says nothing against the run, and nothing for it.
        detail: What was found, with the first offending value.
    """

    name: str
    result: Literal["passed", "failed", "skipped"]
    detail: str


def outcome(name: str, problems: Sequence[str], good: str) -> Check:
    """Passed with `good`, or failed with the first problems."""
    if not problems:
        return Check(name=name, result="passed", detail=good)
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return Check(name=name, result="failed", detail="; ".join(problems[:3]) + more)
