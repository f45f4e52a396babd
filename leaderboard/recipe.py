"""How a number on the board came about: the metric's card, the statistics, and the run's own record."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from leaderboard.data import BoardData
from leaderboard.widgets import choose
from leaderboard.wording import plain

_CARD_FIELDS = {
    "formula": "Formula",
    "source": "Source",
    "sees": "Sees",
    "blind_to": "Blind to",
    "unit": "Unit",
    "family": "Family",
    "policy": "Frames and size",
    "backbone": "Network",
    "weights_hash": "Weights",
    "id": "Metric id",
}

_STATISTICS = """
**Mean and interval**: seeds of a prompt are averaged, translations of a prompt count as one; the interval is a 95 % t
interval over prompts. **Rank interval**: every two runs are compared on the prompts that both have (paired t test, its
p never below what flipping signs can give), with Holm's correction over all pairs in this table. The low end is 1 + the
number of runs surely better, the high end leaves room for all that are not surely worse. **Scored** counts against the
plan: a failed or refused sample is missing, never zero.
"""


def show(board: BoardData, table: dict[str, Any], metric_id: str) -> None:
    """An expander with the metric's definition, the statistics behind the table, and the recipe of one run."""
    card = board.cards[metric_id]
    with st.expander("How was this computed?", icon=":material/info:"):
        st.markdown(f"#### {plain(card['title'])}")
        st.markdown(
            "\n".join(
                f"- **{title}**: {plain(str(card[field]))}" for field, title in _CARD_FIELDS.items() if card.get(field)
            )
        )
        st.markdown("#### Statistics")
        st.markdown(_STATISTICS)
        st.markdown("#### Recipe of a run")
        run = choose("Run", table["runs"], key="recipe", format_func=lambda name: str(board.runs.label[name]))
        st.json(run_recipe(board, table, run))


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
