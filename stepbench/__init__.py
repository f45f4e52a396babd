"""stepbench: benchmarks for text-to-video models whose numbers can be reproduced, compared and trusted."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stepbench.api import compare, run
    from stepbench.errors import Refused, StepbenchError
    from stepbench.reporting import write_report
    from stepbench.runs.run import Run, open_run
    from stepbench.suites import load_suite

__version__ = "0.1.0"

_EXPORTS = {
    "load_suite": "stepbench.suites",
    "run": "stepbench.api",
    "open_run": "stepbench.runs.run",
    "Run": "stepbench.runs.run",
    "compare": "stepbench.api",
    "write_report": "stepbench.reporting",
    "StepbenchError": "stepbench.errors",
    "Refused": "stepbench.errors",
}
__all__ = [
    "Refused",
    "Run",
    "StepbenchError",
    "__version__",
    "compare",
    "load_suite",
    "open_run",
    "run",
    "write_report",
]


def __getattr__(name: str) -> Any:
    # Exports load on first use, so that importing stepbench costs nothing and pulls in no heavy package.
    if name not in _EXPORTS:
        raise AttributeError(f"module 'stepbench' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
