"""Two or more runs against each other: paired differences, by category, head to head, most different prompts."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from leaderboard import charts, clips, data, versus, widgets, withdrawn, wording
from leaderboard.components.video_pair import video_pair
from leaderboard.language import said, words
from leaderboard.pairs import pair_samples, select_pairs
from leaderboard.translation import Words
from stepbench.wording import metric_titles

MOST_RUNS = 8
# Pairs of clips shown; the gallery has all.
DIFFERENT = 4


def page() -> None:
    """Lay the page out."""
    board = widgets.board_or_guidance()
    if board is None:
        return
    word = words("compare")
    st.title(words("frame")("compare"))
    table = widgets.choose_table(board, "compare")
    known = table["compared"]
    if len(known) < 2:
        st.info(word("one_run"))
        return
    labels = withdrawn.labels(board)
    chosen = widgets.choose_many(
        word("choose"),
        known,
        key="runs",
        default=_usual(board, known),
        most=MOST_RUNS,
        format_func=labels.__getitem__,
        help=word("choose_help"),
    )
    if len(known) < len(table["runs"]):
        st.caption(word("partly", n=len(known), total=len(table["runs"])))
    if len(chosen) < 2:
        st.info(word("too_few"))
        return
    withdrawn.show(chosen, board)
    baseline, *others = chosen
    pairs = board.pairs(table["table_id"])
    rows = versus.against_baseline(pairs, baseline, others)
    _problems(rows, labels, word)
    rows = rows.loc[rows.metric_id.notna() & rows.metric_id.isin(list(board.cards))]
    if rows.empty:
        return
    metric_ids = [key for key in table["metric_ids"] if key in set(rows.metric_id)]
    titles = metric_titles(board.cards, metric_ids)
    cut = widgets.choose_pill(
        word("cut"), ["all", "category", "language"], key="cut", format_func=lambda key: _cut_title(key)
    )
    _differences(rows.loc[rows.cut == cut], labels, titles, word)
    metric_id = widgets.choose_pill(words("frame")("metric"), metric_ids, key="metric", format_func=titles.__getitem__)
    widgets.show_advisories(board, [metric_id])
    card = board.cards[metric_id]
    _chart(rows.loc[(rows.cut == cut) & (rows.metric_id == metric_id)], card, labels, baseline, word)
    st.subheader(wording.plain(word("matrix", title=titles[metric_id])))
    st.dataframe(versus.head_to_head(pairs, chosen, metric_id, labels), width="stretch")
    st.caption(word("matrix_caption"))
    _most_different(board, table, baseline, others[0], metric_id, word)


def _usual(board: data.BoardData, known: list[str]) -> list[str]:
    """The two that are compared unless others are chosen: those that were withdrawn come last."""
    first = withdrawn.standing(known, board)
    return [*first, *(run for run in known if run not in first)][:2]


def _cut_title(cut: str) -> str:
    frame_word = words("frame")
    return frame_word("all") if cut == "all" else frame_word(f"cut_{cut}")


def _problems(rows: pd.DataFrame, labels: dict[str, str], word: Words) -> None:
    for row in rows.loc[rows.problem.notna()].to_dict(orient="records"):
        texts = {"a": labels[row["run_a"]], "b": labels[row["run_b"]], "why": row["problem"]}
        st.warning(word("problem", **{name: wording.plain(text) for name, text in texts.items()}))


def _differences(rows: pd.DataFrame, labels: dict[str, str], titles: dict[str, str], word: Words) -> None:
    st.subheader(word("differences"))
    frame_word = words("frame")
    shown = versus.difference_texts(rows).assign(
        label=rows.run_b.map(labels),
        metric=rows.metric_id.map(titles),
        verdict=rows.verdict.map(said, na_action="ignore"),
    )
    columns = {
        "label": frame_word("run"),
        "metric": frame_word("metric"),
        "group": word("group"),
        "n": frame_word("prompts"),
        "mean_a": st.column_config.NumberColumn("A", format="%.4g"),
        "mean_b": st.column_config.NumberColumn("B", format="%.4g"),
        "difference_text": word("difference"),
        "interval": frame_word("interval"),
        "record": word("record"),
        "p_text": word("p"),
        "verdict": word("verdict"),
        "detectable_effect": st.column_config.NumberColumn(word("detectable"), format="%.3g"),
    }
    if not any(shown["group"]):
        del columns["group"]
    st.dataframe(
        shown[list(columns)],
        hide_index=True,
        width="stretch",
        height=widgets.height(shown),
        placeholder="–",
        column_config=columns,
    )
    st.caption(word("differences_caption"))


def _chart(rows: pd.DataFrame, card: dict[str, Any], labels: dict[str, str], baseline: str, word: Words) -> None:
    st.subheader(wording.plain(word("chart", title=card["title"], baseline=labels[baseline])))
    drawn = rows.assign(label=versus.line_names(rows, labels), mean=rows.difference, p=rows.p_adjusted).head(
        charts.MOST_ROWS
    )
    if drawn.empty:
        st.caption(word("not_compared"))
        return
    st.altair_chart(charts.differences(drawn, card, labels[baseline], words("charts")), width="stretch")


def _most_different(
    board: data.BoardData, table: dict[str, Any], run_a: str, run_b: str, metric_id: str, word: Words
) -> None:
    title = metric_titles(board.cards, [metric_id])[metric_id]
    st.subheader(wording.plain(word("different", title=title)))
    pairs = select_pairs(pair_samples(board.runs, run_a, run_b), most_different_in=metric_id).head(DIFFERENT)
    names = [withdrawn.labels(board)[run] for run in (run_a, run_b)]
    gallery, player = words("gallery"), words("player")
    for place, row in enumerate(pairs.to_dict(orient="records")):
        video_pair(
            *(
                clips.side(f"{letter.upper()} · {name}", row, table, player, f"_{letter}")
                for letter, name in zip("ab", names, strict=True)
            ),
            heading=gallery("heading", prompt=row["prompt_id"], category=row["category"], seed=row["seed"]),
            prompt=row["text"],
            language=row["language"],
            facts=clips.facts(board.cards, table["metric_ids"], row),
            key=f"different-{place}",
        )
    query = {"suite": table["table_id"], "a": run_a, "b": run_b, "sort": metric_id}
    st.page_link("pages/gallery.py", label=word("more"), icon=":material/compare:", query_params=query)


if __name__ == "__main__":
    page()
