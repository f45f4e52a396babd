"""How numbers, metrics, tables and strangers' texts are worded. No Streamlit."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

ARROWS = {"higher": "↑", "lower": "↓", "neutral": ""}
"""Which way is better, as it stands behind a metric's name."""


def plain(text: str) -> str:
    """`text` for places that read Markdown, so that it appears as it is: names and prompts come from strangers."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def number(value: float, spread: float | None = None) -> str:
    """A number with as many decimals as its interval's half-width `spread` supports, else four significant digits."""
    if math.isnan(value):
        return "–"
    if spread is None or math.isnan(spread) or spread == 0:
        return f"{value:.4g}"
    decimals = 1 - math.floor(math.log10(abs(spread)))
    return f"{value:.{min(max(decimals, 0), 8)}f}"


def interval(low: float, high: float) -> str:
    """`[low, high]`, or a dash where there is none."""
    spread = (high - low) / 2
    return "–" if math.isnan(spread) else f"[{number(low, spread)}, {number(high, spread)}]"


def rank(low: float, high: float) -> str:
    """`2` or `1–3`; empty where a metric has no better direction or a run no score."""
    if math.isnan(low):
        return ""
    return f"{low:.0f}" if low == high else f"{low:.0f}–{high:.0f}"


def group_title(group: str) -> str:
    """The text of a choice of category or language."""
    return group or "All"


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


def table_titles(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """table_id -> suite, selection and clip size in a line; the id stands behind where two lines would be equal."""
    titles = {table_id: _table_title(table) for table_id, table in tables.items()}
    count = Counter(titles.values())
    return {key: title if count[title] == 1 else f"{title} · {key}" for key, title in titles.items()}


def _table_title(table: Mapping[str, Any]) -> str:
    suite, seeds = table["suite"], table["seeds"]
    parts = [f"{suite['name']} {suite['version']}", f"{table['n_prompts']} prompts"]
    parts.append(f"seeds {', '.join(map(str, seeds))}" if len(seeds) <= 4 else f"{len(seeds)} seeds")
    if table["width"] and table["height"]:
        parts.append(f"{table['width']:g}×{table['height']:g}")
    parts += [f"{table[name]:g} {name}" for name in ("frames", "fps") if table[name]]
    return " · ".join(parts)
