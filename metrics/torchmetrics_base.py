"""`torchmetrics.Metric` without the rest of its package, which imports transformers and torchvision and takes seconds.

The rest is imported once somebody asks for it: `torchmetrics.MetricCollection` and all else work as ever.
"""

from __future__ import annotations

import importlib
import logging
import sys
from functools import partial
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchmetrics import Metric

__all__ = ["Metric"]

_NAME = "torchmetrics"


def _run_when_asked(package: ModuleType, name: str) -> Any:
    """What a package that has not run yet lacks: it runs now."""
    if name.startswith("__") and name not in ("__all__", "__version__"):
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")  # as introspection expects
    spec = package.__spec__
    if "__getattr__" in vars(package) and spec is not None and spec.loader is not None:
        del vars(package)["__getattr__"]
        spec.loader.exec_module(package)
    return getattr(package, name)


def _import_base() -> Any:
    if _NAME not in sys.modules and (spec := find_spec(_NAME)):
        package = module_from_spec(spec)
        # Its own logger is all that the utilities want of it.
        vars(package).update(_logger=logging.getLogger(_NAME), __getattr__=partial(_run_when_asked, package))
        sys.modules[_NAME] = package
        try:
            # In this order: each of the two imports the other.
            importlib.import_module(f"{_NAME}.utilities")
            return importlib.import_module(f"{_NAME}.metric").Metric
        except ImportError:  # a release whose modules lean on more of the package
            for name in [name for name in sys.modules if name.partition(".")[0] == _NAME]:
                del sys.modules[name]
    return importlib.import_module(_NAME).Metric


if not TYPE_CHECKING:
    Metric = _import_base()
