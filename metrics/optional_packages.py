"""Packages that some metrics are built on and that are installed on demand."""

from __future__ import annotations

import importlib
from types import ModuleType

from metrics.errors import UnavailableMetricError


def load_package(module: str, purpose: str) -> ModuleType:
    """The module, imported.

    Args:
        module: Such as `lpips` or `pytorch_fid.inception`.
        purpose: What needs it, as the subject of an error: `LPIPS`.

    Raises:
        UnavailableMetricError: It, or something that it imports, is not installed; the hint is the command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UnavailableMetricError(
            f"{purpose} needs the package {module.partition('.')[0]}, which cannot be imported here ({error})",
            hint="run `pip install 'stepbench[metrics]'`",
        ) from error
