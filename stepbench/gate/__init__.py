"""The gate: has a candidate lost more than a policy allows? `check(candidate, baseline, policy)` answers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stepbench.gate.policy import MetricPolicy, Policy, as_policy
    from stepbench.gate.result import GateResult, MetricResult
    from stepbench.gate.run_check import check

_EXPORTS = {
    "GateResult": "result",
    "MetricPolicy": "policy",
    "MetricResult": "result",
    "Policy": "policy",
    "as_policy": "policy",
    "check": "run_check",
}
__all__ = ["GateResult", "MetricPolicy", "MetricResult", "Policy", "as_policy", "check"]


def __getattr__(name: str) -> Any:
    # Exports load on first use, so that importing stepbench.gate costs nothing.
    if name not in _EXPORTS:
        raise AttributeError(f"module 'stepbench.gate' has no attribute {name!r}")
    return getattr(import_module(f"stepbench.gate.{_EXPORTS[name]}"), name)
