"""Preference studies: blind votes on pairs of clips, stored so that none is lost and none counts twice."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stepbench.preferences.protocol import Protocol, load_protocol
    from stepbench.preferences.records import Assignment, Pair, Receipt
    from stepbench.preferences.study import Study

_EXPORTS = {
    "Assignment": "records",
    "Pair": "records",
    "Protocol": "protocol",
    "Receipt": "records",
    "Study": "study",
    "load_protocol": "protocol",
}
__all__ = ["Assignment", "Pair", "Protocol", "Receipt", "Study", "load_protocol"]


def __getattr__(name: str) -> Any:
    # Exports load on first use, so that importing the package costs nothing.
    if name not in _EXPORTS:
        raise AttributeError(f"module 'stepbench.preferences' has no attribute {name!r}")
    return getattr(import_module(f"stepbench.preferences.{_EXPORTS[name]}"), name)
