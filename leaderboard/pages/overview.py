"""The leaderboard's first page: every run of a suite with means, intervals, rank intervals and coverage."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from leaderboard import charts, data, recipe, rows, widgets, wording
from stepbench.wording import metric_titles


def page() -> None:
    """Lay the page out."""
    board = widgets.board_or_guidance()
    if board is None:
        return
    st.title("Leaderboard")
    table = widgets.choose_table(board)
    if not table["metric_ids"]:
        st.info("No run on these prompts has been scored: stepbench score RUN")
        st.dataframe(board.runs.loc[table["runs"], ["label", "status", "run"]], hide_index=True)
        _gallery_link(table, table["runs"])
        return
    cut, group = _choose_cut(table)
    titles = metric_titles(board.cards, table["metric_ids"])
    metric_id = widgets.choose_pill(
        "Sort and chart by",
        table["metric_ids"],
        key="metric",
        format_func=titles.__getitem__,
    )
    frame = rows.table_rows(board, table["table_id"], cut, group)
    chosen = rows.of_metric(frame, metric_id, board.cards[metric_id]["direction"])
    _all_metrics(board, frame, titles, list(chosen.run))
    _one_metric(chosen, board.cards[metric_id], titles[metric_id])
    _gallery_link(table, list(chosen.run))
    recipe.show(board, table, metric_id)
    _downloads(frame, table["table_id"], cut)
    widgets.show_left_out(board)
    st.caption(f"Built {board.info['built_at']} by stepbench {board.info['stepbench']}.")


def _choose_cut(table: dict[str, Any]) -> tuple[str, str]:
    """All prompts, one category or one language."""
    category = _choose_group("category", table["categories"], clears=["language"])
    language = _choose_group("language", table["languages"], clears=["category"])
    if category:
        return "category", category
    return ("language", language) if language else ("all", "")


def _choose_group(kind: str, groups: list[str], clears: list[str]) -> str:
    if len(groups) < 2:
        return widgets.ALL
    options = [widgets.ALL, *groups]
    return widgets.choose_pill(
        kind.capitalize(),
        options,
        key=kind,
        format_func=wording.group_title,
        clears=clears,
    )


def _all_metrics(board: data.BoardData, frame: pd.DataFrame, titles: dict[str, str], order: list[str]) -> None:
    st.subheader("All metrics")
    units = {key: f"{title} ({unit})" if (unit := board.cards[key]["unit"]) else title for key, title in titles.items()}
    wide = rows.wide(frame, units, order)
    # Positions count from the hidden index, which is 0.
    config: dict[Any, Any] = {1: st.column_config.TextColumn(pinned=True, width="medium")}
    for position, (_, name) in enumerate(wide.columns, start=1):
        if name == "mean":
            config[position] = st.column_config.NumberColumn(format="%.4g")
    st.dataframe(wide, hide_index=True, column_config=config, width="stretch")
    st.caption(
        "Mean over prompts with its 95 % interval. Rank 1–3: the evidence leaves every place from 1 to 3 open. "
        "Prompts and Scored are those of the metric with the fewest scores."
    )


def _one_metric(chosen: pd.DataFrame, card: dict[str, Any], title: str) -> None:
    st.subheader(wording.plain(title))
    drawn = chosen.head(charts.MOST_ROWS)
    st.altair_chart(charts.whiskers(drawn, card), width="stretch")
    if len(drawn) < len(chosen):
        st.caption(f"The chart shows the first {len(drawn)} of {len(chosen)} runs; the table has all.")
    columns = ["rank", "label", "mean", "interval", "n_units", "scored", "n_failed", "n_refused", "run"]
    st.dataframe(
        chosen[columns],
        hide_index=True,
        width="stretch",
        column_config={
            "rank": "Rank",
            "label": st.column_config.TextColumn("Generator", width="medium"),
            "mean": st.column_config.NumberColumn("Mean", format="%.4g", help=wording.plain(card["unit"]) or None),
            "interval": "95 % interval",
            "n_units": st.column_config.NumberColumn("Prompts", help="Independent prompts; translations count as one"),
            "scored": st.column_config.TextColumn("Scored", help="Scored samples of planned samples"),
            "n_failed": "Failed",
            "n_refused": "Refused",
            "run": "Run",
        },
    )


def _gallery_link(table: dict[str, Any], order: list[str]) -> None:
    query = {"suite": table["table_id"], **dict(zip("ab", order, strict=False))}
    st.page_link("pages/gallery.py", label="Play the clips side by side", icon=":material/compare:", query_params=query)


def _downloads(frame: pd.DataFrame, table_id: str, cut: str) -> None:
    st.subheader("Download these numbers")
    numbers = frame.drop(columns=list(rows.TEXTS))
    formats = {
        "CSV": lambda: (numbers.to_csv(index=False) or "").encode(),
        "Parquet": lambda: numbers.to_parquet(index=False),
        "JSON": lambda: (numbers.to_json(orient="records", force_ascii=False) or "").encode(),
    }
    with st.container(horizontal=True):
        for name, write in formats.items():
            file = f"leaderboard-{table_id}-{cut}.{name.lower()}"
            st.download_button(name, data=write, file_name=file, on_click="ignore", icon=":material/download:")


if __name__ == "__main__":
    page()
