"""How tables, groups and strangers' texts are worded on the pages. No Streamlit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any


def plain(text: str) -> str:
    """`text` for places that read Markdown, so that it appears as it is: names and prompts come from strangers."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


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
