"""How numbers, intervals, ranks and metrics are worded, wherever people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

ARROWS = {"higher": "↑", "lower": "↓", "neutral": ""}
"""Which way is better, as it stands behind a metric's name."""

DASH = "–"
"""Stands where there is no number; a missing number is never shown as zero."""


def number(value: float, spread: float | None = None) -> str:
    """A number with as many decimals as its interval's half-width `spread` supports, else four significant digits.

    Of numbers from ten thousand to a thousand million all digits before the point, in place of a power of ten.
    """
    if math.isnan(value):
        return DASH
    # Noise of the last bits is no width: eight decimals of it would be a false show of precision.
    if spread is None or math.isnan(spread) or spread <= 1e-9 * abs(value):
        return f"{value:.0f}" if 9999.5 <= abs(value) < 1e9 else f"{value:.4g}"
    decimals = 1 - math.floor(math.log10(abs(spread)))
    return f"{value:.{min(max(decimals, 0), 8)}f}"


def interval(low: float, high: float) -> str:
    """`[low, high]`, or a dash where there is none."""
    spread = (high - low) / 2
    return DASH if math.isnan(spread) else f"[{number(low, spread)}, {number(high, spread)}]"


def rank(low: float, high: float) -> str:
    """`2` or `1–3`; empty where a metric has no better direction or a run no score."""
    if math.isnan(low):
        return ""
    return f"{low:.0f}" if low == high else f"{low:.0f}–{high:.0f}"


def moment(text: str) -> str:
    """A time of ISO 8601 to the minute in UTC; anything else as it is."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if time.tzinfo else text


def metric_title(card: Mapping[str, Any]) -> str:
    """The metric's name for people with its arrow, such as `Flicker ↓`."""
    return f"{card['title']} {ARROWS[card['direction']]}".rstrip()


def metric_titles(cards: Mapping[str, Mapping[str, Any]], metric_ids: Sequence[str]) -> dict[str, str]:
    """metric_id -> title; the id stands behind it where two metrics of a table share a title."""
    titles = [cards[metric_id]["title"] for metric_id in metric_ids]
    return {
        metric_id: metric_title(cards[metric_id]) + (f" ({metric_id})" if titles.count(title) > 1 else "")
        for metric_id, title in zip(metric_ids, titles, strict=True)
    }
