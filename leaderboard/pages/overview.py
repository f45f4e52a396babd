"""The leaderboard's first page: every run of a suite with means, intervals, rank intervals and coverage."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from leaderboard import charts, data, recipe, rows, weights, widgets, withdrawn, wording
from leaderboard.language import said, words
from leaderboard.translation import Words
from stepbench.spreadsheet import csv_for_spreadsheets, json_records
from stepbench.wording import ARROWS, metric_titles, moment

# Metrics in the wide table unless others are chosen: more is slow to send and too wide to read.
FEW_COLUMNS = 8


def page() -> None:
    """Lay the page out."""
    board = widgets.board_or_guidance()
    if board is None:
        return
    word, frame_word = words("overview"), words("frame")
    st.title(frame_word("overview"))
    table = widgets.choose_table(board, "overview")
    if not table["metric_ids"]:
        st.info(word("not_scored"))
        _unscored(board, table)
        _links(table, table["runs"], word)
        return
    titles = metric_titles(board.cards, table["metric_ids"])
    filters, columns = _choose_filters(board, table, titles, word)
    cut, group = widgets.choose_cut(table)
    metric_id = widgets.choose_pill(
        word("sort"), table["metric_ids"], key="metric", format_func=titles.__getitem__, clears=()
    )
    every = board.summary(table["table_id"], cut, group)
    frame = rows.filtered(every, board.runs, filters)
    if frame.empty:
        st.info(word("nothing_passes"))
        return
    card = board.cards[metric_id]
    chosen = rows.of_metric(frame, metric_id, card["direction"])
    named = withdrawn.labelled(frame, board)
    _all_metrics(board, named, {key: titles[key] for key in columns}, list(chosen.run), word)
    _one_metric(board, withdrawn.labelled(chosen, board), card, titles[metric_id], word)
    withdrawn.show(chosen.run, board)
    _links(table, list(chosen.run), word)
    # What was taken back moves no scale and beats nobody.
    gone = list(withdrawn.reasons(board))
    weights.show(board, table, every.loc[~every.run.isin(gone)], frame.loc[~frame.run.isin(gone)], cut, group)
    _cost(board, chosen.loc[~chosen.run.isin(gone)], card, word)
    recipe.show(board, table, metric_id)
    _downloads(frame, table["table_id"], cut, word)
    widgets.show_left_out(board)
    st.caption(frame_word("built", at=moment(board.info["built_at"]), version=board.info["stepbench"]))


def _unscored(board: data.BoardData, table: dict[str, Any]) -> None:
    frame_word = words("frame")
    runs = withdrawn.labelled(board.runs.loc[table["runs"], ["label", "status", "run"]], board)
    columns = {"label": frame_word("generator"), "status": words("history")("status"), "run": frame_word("run")}
    st.dataframe(runs.assign(status=runs.status.map(said)), hide_index=True, width="stretch", column_config=columns)


def _choose_filters(
    board: data.BoardData, table: dict[str, Any], titles: dict[str, str], word: Words
) -> tuple[rows.Filters, list[str]]:
    runs = board.runs.loc[table["runs"]]
    with st.expander(word("filters"), icon=":material/tune:", expanded=_is_filtered()):
        left, right = st.columns(2)
        with left:
            text = widgets.ask_text(word("search"), key="find")
            generators = widgets.choose_many(
                words("frame")("generator"), sorted(runs.generator.unique()), key="generator"
            )
        with right:
            licences = widgets.choose_many(
                word("licence"),
                sorted(runs.licence.fillna("").unique()),
                key="licence",
                format_func=lambda licence: licence or word("no_licence"),
            )
            coverage = widgets.choose_share(word("coverage"), key="coverage", help=word("coverage_help"))
        first = table["metric_ids"][:FEW_COLUMNS]
        note = word("columns_default", n=len(first), total=len(titles)) if len(titles) > len(first) else None
        columns = widgets.choose_many(
            word("columns"), table["metric_ids"], key="show", format_func=titles.__getitem__, help=note
        )
    filters = rows.Filters(generators=generators, licences=licences, text=text, coverage=coverage)
    return filters, columns or first


def _is_filtered() -> bool:
    return any(key in st.query_params for key in ("find", "generator", "licence", "coverage", "show"))


def _all_metrics(
    board: data.BoardData, frame: pd.DataFrame, titles: dict[str, str], order: list[str], word: Words
) -> None:
    st.subheader(word("all_metrics"))
    units = {
        key: f"{'⚠ ' * (key in board.advisories)}{title}{f' ({unit})' if (unit := board.cards[key]['unit']) else ''}"
        for key, title in titles.items()
    }
    badges = board.runs.badge.map({badge: word(badge) for badge in ("self-reported", "reproduced", "verified")})
    wide = rows.wide(frame, units, order, {"Checked": badges})
    # Positions count from the hidden index, which is 0.
    config: dict[Any, Any] = {1: st.column_config.TextColumn(pinned=True, width="medium")}
    for position, (_, name) in enumerate(wide.columns, start=1):
        if name == "mean":
            config[position] = st.column_config.NumberColumn(format="%.4g")
    frame_word = words("frame")
    names = {"Generator": frame_word("generator"), "Checked": word("badge"), "Prompts": frame_word("prompts")}
    names |= {"Scored": frame_word("scored"), "mean": frame_word("mean"), "rank": frame_word("rank")}
    st.dataframe(
        wide.rename(columns=names, level=1),
        hide_index=True,
        column_config=config,
        width="stretch",
        height=widgets.height(wide),
        placeholder="–",
    )
    st.caption(word("all_metrics_caption"))


def _one_metric(board: data.BoardData, chosen: pd.DataFrame, card: dict[str, Any], title: str, word: Words) -> None:
    frame_word = words("frame")
    st.subheader(wording.plain(title))
    widgets.show_advisories(board, [card["id"]])
    drawn = chosen.head(charts.MOST_ROWS)
    st.altair_chart(charts.whiskers(drawn, card, words("charts")), width="stretch")
    if len(drawn) < len(chosen):
        st.caption(word("chart_first", n=len(drawn), total=len(chosen)))
    columns = ["rank", "label", "mean", "interval", "n_units", "scored", "n_failed", "n_refused", "run"]
    st.dataframe(
        chosen[columns],
        hide_index=True,
        width="stretch",
        height=widgets.height(chosen),
        placeholder="–",
        column_config={
            "rank": frame_word("rank"),
            "label": st.column_config.TextColumn(frame_word("generator"), width="medium"),
            "mean": st.column_config.NumberColumn(
                f"{frame_word('mean')} {ARROWS[card['direction']]}",
                format="%.4g",
                help=wording.plain(card["unit"]) or None,
            ),
            "interval": frame_word("interval"),
            "n_units": st.column_config.NumberColumn(frame_word("prompts"), help=word("prompts_help")),
            "scored": st.column_config.TextColumn(frame_word("scored"), help=word("scored_help")),
            "n_failed": word("failed"),
            "n_refused": word("refused"),
            "run": frame_word("run"),
        },
    )


def _cost(board: data.BoardData, chosen: pd.DataFrame, card: dict[str, Any], word: Words) -> None:
    if card["direction"] == "neutral":
        return
    st.subheader(word("cost"))
    times = board.runs.loc[chosen.run, ["seconds", "seconds_low", "seconds_high"]]
    both = chosen.assign(**{name: times[name].to_numpy() for name in times.columns})
    measured = int((both["mean"].notna() & both.seconds.notna()).sum())
    if not measured:
        st.caption(word("cost_none"))
        return
    drawn = charts.front_and_best(both, card)
    st.altair_chart(charts.quality_cost(drawn, card, words("charts")), width="stretch")
    st.caption(word("cost_caption"))
    if len(drawn) < measured:
        st.caption(word("cost_first", n=charts.MOST_POINTS, total=measured))


def _links(table: dict[str, Any], order: list[str], word: Words) -> None:
    here: dict[str, Any] = {"suite": table["table_id"]}
    compared = [run for run in order if run in table["compared"]][:2]
    with st.container(horizontal=True):
        st.page_link(
            "pages/gallery.py",
            label=word("play"),
            icon=":material/compare:",
            query_params=here | dict(zip("ab", order, strict=False)),
        )
        if len(compared) == 2:
            st.page_link(
                "pages/compare.py",
                label=word("compare"),
                icon=":material/balance:",
                query_params=here | {"runs": compared},
            )
        st.page_link(
            "pages/model.py",
            label=word("open_model"),
            icon=":material/model_training:",
            query_params=here | {"run": order[0]},
        )


def _downloads(frame: pd.DataFrame, table_id: str, cut: str, word: Words) -> None:
    st.subheader(word("download"))
    numbers = frame.drop(columns=list(rows.TEXTS))
    formats = {
        "CSV": lambda: csv_for_spreadsheets(numbers).encode(),
        "Parquet": lambda: numbers.to_parquet(index=False),
        "JSON": lambda: json_records(numbers).encode(),
    }
    with st.container(horizontal=True):
        for name, write in formats.items():
            file = f"leaderboard-{table_id}-{cut}.{name.lower()}"
            st.download_button(name, data=write, file_name=file, on_click="ignore", icon=":material/download:")


if __name__ == "__main__":
    page()
