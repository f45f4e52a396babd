"""How tables, groups and strangers' texts are worded on the pages. No Streamlit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from leaderboard.translation import Words

_JOINER = "\N{WORD JOINER}"
_MADE_OF_PLAIN_TEXT = re.compile(
    r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\w)|(?<=:)(?=streamlit:)|(?<=(?<!\S)[<>~-])(?=[=>-])", re.IGNORECASE
)
"""Where Streamlit makes links, arrows, dashes and a picture of a text, whether it is escaped or not."""


def plain(text: str) -> str:
    """`text` for places that read Markdown, so that it appears as it is: names and prompts come from strangers.

    What would become a link or a sign of its own all the same is parted by a character that takes no room.
    """
    parted = _MADE_OF_PLAIN_TEXT.sub(_JOINER, " ".join(text.split()))
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", parted)


def table_titles(tables: Mapping[str, Mapping[str, Any]], word: Words) -> dict[str, str]:
    """table_id -> suite, selection and clip size in a line; the id stands behind where two lines would be equal."""
    titles = {table_id: _table_title(table, word) for table_id, table in tables.items()}
    count = Counter(titles.values())
    return {key: title if count[title] == 1 else f"{title} · {key}" for key, title in titles.items()}


def _table_title(table: Mapping[str, Any], word: Words) -> str:
    suite, seeds = table["suite"], table["seeds"]
    prompts = word("one_prompt" if table["n_prompts"] == 1 else "n_prompts", n=table["n_prompts"])
    listed = word("seed" if len(seeds) == 1 else "seeds", seeds=", ".join(map(str, seeds)))
    parts = [f"{suite['name']} {suite['version']}", prompts]
    parts.append(listed if len(seeds) <= 4 else word("n_seeds", n=len(seeds)))
    if table["width"] and table["height"]:
        parts.append(f"{table['width']:g}×{table['height']:g}")
    parts += [word("frames", n=f"{table['frames']:g}")] if table["frames"] else []
    parts += [f"{table['fps']:g} fps"] if table["fps"] else []
    return " · ".join(parts)
