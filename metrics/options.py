"""Which options of a metric can be written down, as in `fvd(backbone=i3d, frames=16)`; nothing is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from metrics.clip_features import BACKBONE_OPTIONS
from metrics.errors import MetricError
from metrics.registry import find

_NOT_WRITTEN = ("judge", "canaries", "distractors")
"""Arguments that stand for objects or lists, which no text gives."""

_BASES = ("torchmetrics.", "metrics.base", "metrics.set_metric", "metrics.feature_states")


def options_of(name: str) -> list[str]:
    """The options of a metric; those of `torchmetrics.Metric`, and those that a run fills in, are not among them.

    Raises:
        UnknownMetricError: No metric has this name.
        UnavailableMetricError: It cannot be imported here.
    """
    entry = find(name)
    metric_class: Any = entry.load()
    found: set[str] = set()
    for parent in metric_class.__mro__:
        if parent.__module__.startswith(_BASES):
            break
        if "__init__" not in parent.__dict__:
            continue
        parameters = list(inspect.signature(parent.__init__).parameters.values())[1:]
        found |= {one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
        if all(one.kind is not one.VAR_KEYWORD for one in parameters):
            break
    of_backbone = BACKBONE_OPTIONS if "backbone" in found else ()
    taken = {*entry.options, *getattr(metric_class, "options_of_a_run", ()), *_NOT_WRITTEN}
    return sorted({*found, *of_backbone} - taken)


def check_options(name: str, options: Iterable[str]) -> None:
    """Refuse options that the metric does not take.

    Raises:
        MetricError: Names the first of them, and a close one or all that there are.
    """
    known = options_of(name)
    for option in options:
        if option not in known:
            close = get_close_matches(option, known, n=1)
            there = f"it takes {', '.join(known)}" if known else "it takes none"
            raise MetricError(
                f"metric {name!r} has no option {option!r}", hint=f"did you mean {close[0]}?" if close else there
            )
