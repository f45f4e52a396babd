"""All metrics of one decoded clip: what the harness calls per clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from metrics.base import ClipMetric
from metrics.errors import UnavailableMetricError
from metrics.view import ClipView


@dataclass(frozen=True)
class ClipScore:
    """One metric on one clip.

    Attributes:
        value: The score; None unless `status` is `ok`.
        status: `ok`, `unavailable` where the metric cannot be computed on this machine, `failed` where it raised.
        error: What it raised; empty for `ok`.
        note: What a person should know beside the value, such as why a clip is flagged.
    """

    value: float | None
    status: Literal["ok", "failed", "unavailable"]
    error: str = ""
    note: str = ""


def score_view(view: ClipView, metrics: Mapping[str, ClipMetric]) -> dict[str, ClipScore]:
    """Score one clip with every metric, over intermediates that are computed once.

    A metric that fails costs its own score alone; the error's text is kept in its place.

    Args:
        view: The clip.
        metrics: Metric objects by whatever key the caller wants back.
    """

    def of_view(metric: ClipMetric) -> tuple[float, str]:
        return metric.checked_score(view), metric.note(view)

    return {key: scored(partial(of_view, metric)) for key, metric in metrics.items()}


def scored(value_and_note: Callable[[], tuple[float, str]]) -> ClipScore:
    """The score of a metric from what computes it, or what it raised."""
    try:
        value, note = value_and_note()
        return ClipScore(value, "ok", note=note)
    except UnavailableMetricError as error:
        return ClipScore(None, "unavailable", str(error).replace("\n  hint: ", "; "))
    except Exception as error:  # noqa: BLE001 - one broken metric must not lose the other scores of the clip
        text = str(error) or "no message"
        return ClipScore(None, "failed", f"{type(error).__name__}: {text}")
