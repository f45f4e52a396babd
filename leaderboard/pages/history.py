"""Runs over time with intervals and the verdicts of gates."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from leaderboard import charts, data, timelines, widgets, withdrawn
from leaderboard.language import said, words
from leaderboard.translation import Words
from stepbench.board.gates import gate_rows
from stepbench.wording import metric_title, metric_titles, moment


def page() -> None:
    """Lay the page out."""
    board = widgets.board_or_guidance()
    if board is None:
        return
    word = words("history")
    st.title(words("frame")("history"))
    table = widgets.choose_table(board, "history")
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
    rows = withdrawn.labelled(rows.loc[rows.generator.isin(chosen or generators)], board)
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
    rows = rows.assign(
        verdict=rows.verdict.map(said), status=rows.status.map(said), created_at=rows.created_at.map(moment)
    )
    st.dataframe(
        rows.iloc[::-1][list(columns)],
        hide_index=True,
        width="stretch",
        height=widgets.height(rows),
        placeholder="–",
        column_config=columns,
    )
    withdrawn.show(rows.run, board)


def _gates(board: data.BoardData, table: dict[str, Any], word: Words) -> None:
    st.subheader(word("gates"))
    titles = {card["name"]: metric_title(card) for card in board.cards.values()}
    rows = gate_rows(board.gates, table["suite"]["name"], said, titles)
    if not rows:
        st.info(word("no_gates"))
        return
    columns = {
        "checked_at": word("checked"),
        "said": word("verdict"),
        "candidate": word("candidate"),
        "baseline": word("baseline"),
        "metrics": st.column_config.TextColumn(word("by_metric"), width="large"),
        "reasons": st.column_config.TextColumn(word("reasons"), width="large"),
    }
    st.dataframe(pd.DataFrame(rows)[list(columns)], hide_index=True, width="stretch", column_config=columns)


if __name__ == "__main__":
    page()
