"""The part of the overview where a reader weighs metrics; the weights stand in the address."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from leaderboard import charts, widgets
from leaderboard.composite import read_weights, weighted_score, write_weights
from leaderboard.data import BoardData
from leaderboard.language import words
from stepbench.wording import interval, metric_titles

PARAMETER = "weight"
_CHOSEN = "weighed metrics"


@st.fragment
def show(
    board: BoardData, table: dict[str, Any], every: pd.DataFrame, shown: pd.DataFrame, cut: str, group: str
) -> None:
    """Fields for the weights, and where there are any the weighted score of every run that is shown.

    Nothing else on the page depends on the weights, so this part alone is drawn again when one is changed.

    Args:
        board: The board.
        table: Card of the table.
        every: Rows of all its runs in this cut: the scale does not depend on what is filtered.
        shown: Rows of the runs that are shown.
        cut: `all`, `category` or `language`.
        group: The category or language.
    """
    word, frame_word = words("overview"), words("frame")
    known = [key for key in table["metric_ids"] if board.cards[key]["direction"] != "neutral"]
    weights = read_weights(st.query_params.get_all(PARAMETER), known)
    with st.expander(word("weights"), icon=":material/scale:", expanded=bool(weights)):
        st.caption(word("weights_how"))
        titles = metric_titles(board.cards, known)
        st.session_state[_CHOSEN] = list(weights)
        st.multiselect(
            frame_word("metric"),
            known,
            key=_CHOSEN,
            format_func=titles.__getitem__,
            placeholder="",
            on_change=_choice_to_address,
            args=(weights,),
        )
        columns = st.columns(4)
        for place, key in enumerate(weights):
            with columns[place % 4]:
                _weight_field(key, titles[key], weights)
        if weights:
            _scores(board, table, every, shown, weights, board.covariances(table["table_id"], cut, group))


def _weight_field(metric_id: str, title: str, weights: dict[str, float]) -> None:
    key = f"weight-{metric_id}"
    st.session_state[key] = weights[metric_id]
    st.number_input(
        title, 0.1, 100.0, step=0.5, key=key, format="%g", on_change=_to_address, args=(metric_id, dict(weights))
    )


def _choice_to_address(weights: dict[str, float]) -> None:
    chosen = {key: weights.get(key, 1.0) for key in st.session_state[_CHOSEN]}
    widgets.to_address({PARAMETER: write_weights(chosen)})


def _to_address(metric_id: str, weights: dict[str, float]) -> None:
    weights[metric_id] = st.session_state[f"weight-{metric_id}"]
    widgets.to_address({PARAMETER: write_weights(weights)})


def _scores(
    board: BoardData,
    table: dict[str, Any],
    every: pd.DataFrame,
    shown: pd.DataFrame,
    weights: dict[str, float],
    covariances: pd.DataFrame,
) -> None:
    word, frame_word = words("overview"), words("frame")
    scores = weighted_score(every, board.cards, weights, covariances, table["metric_ids"])
    scores = scores.loc[scores.run.isin(shown.run.unique())]
    st.altair_chart(charts.weighted(scores.head(charts.MOST_ROWS), words("charts")), width="stretch")
    texts = [interval(*ends) for ends in zip(scores.low, scores.high, strict=True)]
    st.dataframe(
        scores.assign(interval=texts)[["label", "mean", "interval", "n_units", "missing", "run"]],
        hide_index=True,
        width="stretch",
        placeholder="–",
        column_config={
            "label": st.column_config.TextColumn(frame_word("generator"), width="medium"),
            "mean": st.column_config.NumberColumn(word("score"), format="%.3f"),
            "interval": frame_word("interval"),
            "n_units": frame_word("prompts"),
            "missing": word("missing"),
            "run": frame_word("run"),
        },
    )
