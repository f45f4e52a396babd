"""Video metrics as pure functions and as `torchmetrics` classes, each with a card that says what it measures.

`metrics.build("flicker")` makes a metric, `metrics.functional.flicker(clips)` is the formula alone, `metrics.METRICS`
lists everything there is. Importing this package imports no torch; that happens when a metric is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from metrics.card import MetricCard
from metrics.errors import MetricError
from metrics.registry import METRICS, OFFLINE, build, describe

if TYPE_CHECKING:
    from metrics import functional
    from metrics.base import ClipMetric
    from metrics.clip_stream import ClipStream
    from metrics.scoring import ClipScore, score_view
    from metrics.view import ClipView

__all__ = [
    "METRICS",
    "OFFLINE",
    "ClipMetric",
    "ClipScore",
    "ClipStream",
    "ClipView",
    "MetricCard",
    "MetricError",
    "build",
    "describe",
    "functional",
    "score_view",
]

_LAZY = {
    "ClipMetric": "metrics.base",
    "ClipScore": "metrics.scoring",
    "ClipStream": "metrics.clip_stream",
    "ClipView": "metrics.view",
    "score_view": "metrics.scoring",
}


def __getattr__(name: str) -> Any:
    if name == "functional":
        return importlib.import_module("metrics.functional")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'metrics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
