"""Runs over time with intervals and the verdicts of gates."""

from __future__ import annotations

from typing import Any

import streamlit as st

from leaderboard import charts, data, timelines, widgets
from leaderboard.language import words
from leaderboard.translation import Words
from stepbench.wording import metric_titles


def page() -> None:
    """Lay the page out."""
    board = widgets.board_or_guidance()
    if board is None:
        return
    word = words("history")
    st.title(words("frame")("history"))
    table = widgets.choose_table(board)
    if table["metric_ids"]:
        _timeline(board, table, word)
    else:
        st.info(word("no_scores"))
    _gates(board, table, word)


def _timeline(board: data.BoardData, table: dict[str, Any], word: Words) -> None:
    frame_word = words("frame")
    titles = metric_titles(board.cards, table["metric_ids"])
    left, right = st.columns(2)
    with left:
        metric_id = widgets.choose(
            frame_word("metric"), table["metric_ids"], key="metric", format_func=titles.__getitem__
        )
    generators = sorted(board.runs.loc[table["runs"]].generator.unique())
    with right:
        chosen = widgets.choose_many(word("only"), generators, key="generator")
    widgets.show_advisories(board, [metric_id])
    rows = timelines.timeline_rows(board, table["table_id"], metric_id)
    rows = rows.loc[rows.generator.isin(chosen or generators)]
    st.subheader(word("timeline"))
    drawn = rows.tail(2 * charts.MOST_POINTS)
    st.altair_chart(charts.timeline(drawn, board.cards[metric_id], words("charts")), width="stretch")
    st.caption(word("timeline_caption"))
    if len(drawn) < len(rows):
        st.caption(word("timeline_last", n=len(drawn), total=len(rows)))
    st.subheader(word("runs"))
    columns = {
        "created_at": word("made"),
        "label": frame_word("generator"),
        "mean": st.column_config.NumberColumn(frame_word("mean"), format="%.4g"),
        "interval": frame_word("interval"),
        "rank": frame_word("rank"),
        "scored": frame_word("scored"),
        "verdict": word("gate"),
        "status": word("status"),
        "run": frame_word("run"),
    }
    st.dataframe(
        rows.iloc[::-1][list(columns)], hide_index=True, width="stretch", placeholder="–", column_config=columns
    )


def _gates(board: data.BoardData, table: dict[str, Any], word: Words) -> None:
    st.subheader(word("gates"))
    gates = [gate for gate in board.gates if gate["suite"] == table["suite"]["name"]]
    if not gates:
        st.info(word("no_gates"))
        return
    columns = {
        "checked_at": word("checked"),
        "verdict": word("verdict"),
        "candidate": word("candidate"),
        "baseline": word("baseline"),
        "metrics": st.column_config.TextColumn(word("by_metric"), width="large"),
        "reasons": st.column_config.TextColumn(word("reasons"), width="large"),
    }
    st.dataframe(timelines.gate_rows(gates)[list(columns)], hide_index=True, width="stretch", column_config=columns)


if __name__ == "__main__":
    page()
