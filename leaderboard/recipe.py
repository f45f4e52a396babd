"""How a number on the board came about: the metric's card, the statistics, and the run's own record."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from leaderboard.data import BoardData
from leaderboard.language import words
from leaderboard.widgets import choose
from leaderboard.withdrawn import labels
from leaderboard.wording import plain

CARD_FIELDS = (
    *("formula", "source", "sees", "blind_to", "unit", "family", "level", "policy", "backbone", "weights_hash", "id"),
)
STATISTICS = ("stat_mean", "stat_rank", "stat_coverage", "stat_pairs", "stat_weighted", "stat_votes")


def show(board: BoardData, table: dict[str, Any], metric_id: str) -> None:
    """An expander with the metric's definition, the statistics behind the table, and the recipe of one run."""
    word = words("methods")
    with st.expander(word("how"), icon=":material/info:"):
        show_card(board.cards[metric_id])
        st.markdown(f"#### {word('statistics')}")
        show_statistics()
        st.markdown(f"#### {word('recipe')}")
        run = choose(words("frame")("run"), table["runs"], key="recipe", format_func=labels(board).__getitem__)
        st.json(run_recipe(board, table, run))


def show_card(card: dict[str, Any]) -> None:
    """A metric's card as a list."""
    word, frame_word = words("methods"), words("frame")
    lines = [f"- **{word('direction')}**: {frame_word(card['direction'])}"]
    lines += [f"- **{word(field)}**: {plain(str(card[field]))}" for field in CARD_FIELDS if card.get(field)]
    st.markdown(f"#### {plain(card['title'])}")
    st.markdown("\n".join(lines))


def show_statistics() -> None:
    """What stands behind means, ranks, differences and votes."""
    word = words("methods")
    st.markdown("\n".join(f"- {word(key)}" for key in STATISTICS))


def run_recipe(board: BoardData, table: dict[str, Any], run: str) -> dict[str, Any]:
    """Everything needed to make the run again, as it was recorded."""
    row = board.runs.loc[run]
    texts = ("run_id", "generator", "revision", "weights_hash", "licence", "description", "status", "plan_hash")
    return {
        **{name: row[name] for name in texts},
        "suite": table["suite"],
        "seeds": json.loads(row.seeds),
        "settings": json.loads(row.settings),
        "reference": row.reference if isinstance(row.reference, str) else None,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "stepbench": row.stepbench,
        "samples": {name: int(row[f"n_{name}"]) for name in ("planned", "ok", "failed", "refused", "missing")},
    }
