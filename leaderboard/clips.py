"""Clips as the player takes them: the address of one, or in words why there is none. No Streamlit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from leaderboard.components.video_pair import Fact, Side
from leaderboard.translation import Words
from stepbench.wording import ARROWS, metric_titles, number


def side(
    title: str,
    row: Mapping[str, Any],
    table: Mapping[str, Any],
    word: Words,
    suffix: str = "",
) -> Side:
    """One side of the player.

    Args:
        title: What stands under the clip.
        row: A sample, with columns clip, outcome, error, no_clip, frames, fps, width and height.
        table: Card of the table, whose size counts where the sample has none.
        word: Texts of `words/player.toml`.
        suffix: Of the columns.
    """
    values = {name: row[f"{name}{suffix}"] for name in ("clip", "outcome", "error", "no_clip")}
    geometry = {name: row[f"{name}{suffix}"] for name in ("frames", "fps", "width", "height")}
    geometry = {name: value if pd.notna(value) else table[name] for name, value in geometry.items()}
    known = {name: value for name, value in geometry.items() if value}
    if isinstance(values["clip"], str):
        return Side(title=title, url=values["clip"], **known)
    said = word({"ok": "no_clip", "failed": "failed", "refused": "refused"}.get(values["outcome"], "not_made"))
    why = values["no_clip"] if values["outcome"] == "ok" else values["error"]
    return Side(title=title, reason=f"{said}: {why}" if isinstance(why, str) else said, **known)


def facts(cards: Mapping[str, Mapping[str, Any]], metric_ids: list[str], row: Mapping[str, Any]) -> list[Fact]:
    """The scores of both clips of a pair; columns of `row` are metric ids with `_a` and `_b`."""
    found = []
    for metric_id, title in metric_titles(cards, metric_ids).items():
        a, b = (row.get(f"{metric_id}_{letter}", float("nan")) for letter in "ab")
        lead = {"higher": a - b, "lower": b - a}.get(cards[metric_id]["direction"], 0.0)
        better = "left" if lead > 0 else "right" if lead < 0 else ""
        found.append(Fact(label=_unbroken(title), left=number(a), right=number(b), better=better))
    return found


def _unbroken(title: str) -> str:
    """A title whose arrow does not stand alone on a line."""
    head, space, last = title.rpartition(" ")
    return f"{head}\N{NO-BREAK SPACE}{last}" if space and last in ARROWS.values() else title
