"""One model: its card, scores by category and language, history, known problems, cost, best and worst clips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from leaderboard import charts, clips, data, timelines, widgets, withdrawn, wording
from leaderboard.components.video_pair import video_pair
from leaderboard.language import said, words
from leaderboard.pairs import ranked_samples
from leaderboard.recipe import run_recipe
from leaderboard.translation import Words
from stepbench.wording import DASH, metric_titles, number

EXTREMES = 3


def page() -> None:
    """Lay the page out."""
    board = widgets.board_or_guidance()
    if board is None:
        return
    word = words("model")
    st.title(words("frame")("model"))
    table = widgets.choose_table(board, "model")
    labels = withdrawn.labels(board)
    usual = withdrawn.standing(table["runs"], board)[0]
    run = widgets.choose(words("frame")("run"), table["runs"], key="run", default=usual, format_func=labels.__getitem__)
    facts = board.runs.loc[run]
    _card(facts, labels[run], word)
    withdrawn.show([run], board)
    summary = board.run_summary(run)
    if summary.empty:
        st.info(word("no_scores"))
    else:
        titles = metric_titles(board.cards, list(dict.fromkeys(summary.metric_id)))
        _scores(summary, titles, table, word)
        if any(key in board.advisories for key in titles):
            st.subheader(word("known_problems"))
            widgets.show_advisories(board, list(titles))
        _history(board, table, facts.generator, titles, word)
    _cost(facts, word)
    if not summary.empty:
        _clips(board, table, facts, word)
    with st.expander(word("recipe"), icon=":material/receipt_long:"):
        st.json(run_recipe(board, table, run))


def _card(facts: pd.Series, label: str, word: Words) -> None:
    st.subheader(wording.plain(label))
    if isinstance(facts.description, str) and facts.description:
        st.text(facts.description)
    known = {
        "badge": words("overview")(facts.badge),
        "status": said(facts.status),
        "samples": f"{facts.n_ok:.0f}/{facts.n_planned:.0f}",
        "licence": facts.licence,
        "revision": facts.revision,
        "weights_hash": facts.weights_hash[:16] if isinstance(facts.weights_hash, str) else None,
    }
    lines = [
        f"- **{word(key)}**: {wording.plain(str(text))}"
        for key, text in known.items()
        if isinstance(text, str) and text
    ]
    st.markdown("\n".join(lines))


def _scores(summary: pd.DataFrame, titles: dict[str, str], table: dict[str, Any], word: Words) -> None:
    st.subheader(word("scores"))
    groups = [("all", ""), *(("category", one) for one in table["categories"])]
    groups += [("language", one) for one in table["languages"]]
    frame_word = words("frame")
    columns: dict[str, Sequence[Any]] = {frame_word("metric"): list(titles.values())}
    cells = summary.set_index(["metric_id", "cut", "group"])
    for cut, group in groups:
        named = group if group not in columns else f"{group} ({frame_word(f'cut_{cut}')})"
        columns[named or frame_word("all")] = [_cell(cells, (key, cut, group)) for key in titles]
    overall = summary[summary.cut == "all"].set_index("metric_id")
    columns[frame_word("rank")] = [overall["rank"].get(key, "") for key in titles]
    columns[frame_word("scored")] = [overall.scored.get(key, "") for key in titles]
    st.dataframe(
        pd.DataFrame(columns), hide_index=True, width="stretch", height=widgets.height(titles), placeholder="–"
    )
    st.caption(word("scores_caption"))


def _cell(cells: pd.DataFrame, key: tuple[str, str, str]) -> str:
    if key not in cells.index:
        return "–"
    row = cells.loc[key]
    mean = number(row["mean"], (row["high"] - row["low"]) / 2)
    return mean if row["interval"] == DASH else f"{mean} {row['interval']}"


def _history(board: data.BoardData, table: dict[str, Any], generator: str, titles: dict[str, str], word: Words) -> None:
    runs = board.runs.loc[table["runs"]]
    names = list(runs.index[runs.generator == generator])
    if len(names) < 2:
        return
    st.subheader(word("history"))
    metric_id = widgets.choose(words("frame")("metric"), list(titles), key="metric", format_func=titles.__getitem__)
    rows = timelines.timeline_rows(board, table["table_id"], metric_id)
    rows = withdrawn.labelled(rows.loc[rows.run.isin(names)], board)
    st.altair_chart(charts.timeline(rows, board.cards[metric_id], words("charts")), width="stretch")


def _cost(facts: pd.Series, word: Words) -> None:
    st.subheader(word("cost"))
    seconds = word("not_measured")
    if pd.notna(facts.seconds):
        width = (facts.seconds_high - facts.seconds_low) / 2
        seconds = number(facts.seconds, width)
        if pd.notna(width):
            seconds += f" [{number(facts.seconds_low, width)}, {number(facts.seconds_high, width)}]"
    memory = (
        f"{facts.peak_memory_bytes / 2**20:,.0f} MiB" if pd.notna(facts.peak_memory_bytes) else word("not_measured")
    )
    joules = f"{facts.joules:.4g} J" if pd.notna(facts.joules) else word("not_measured")
    lines = {"seconds": seconds, "memory": memory, "joules": joules}
    st.markdown("\n".join(f"- **{word(key)}**: {wording.plain(text)}" for key, text in lines.items()))
    stages = json.loads(facts.stages) if isinstance(facts.stages, str) else {}
    if stages:
        table = pd.DataFrame({word("stage"): list(map(said, stages)), word("stage_seconds"): list(stages.values())})
        st.dataframe(table, hide_index=True, width="content")


def _clips(board: data.BoardData, table: dict[str, Any], facts: pd.Series, word: Words) -> None:
    own = [key for key in table["metric_ids"] if board.cards[key]["direction"] != "neutral"]
    if not own:
        return
    st.subheader(word("clips"))
    titles = metric_titles(board.cards, own)
    metric_id = widgets.choose(word("clips_by"), own, key="sort", format_func=titles.__getitem__)
    ranked = ranked_samples(facts.part, metric_id, board.cards[metric_id]["direction"])
    count = min(EXTREMES, len(ranked) // 2)
    player = words("player")
    for place in range(count):
        best, worst = (ranked.iloc[index].to_dict() for index in (place, len(ranked) - 1 - place))
        video_pair(
            *(
                clips.side(
                    f"{word(which, n=place + 1)} · {row['prompt_id']} · {number(row[metric_id])}", row, table, player
                )
                for which, row in (("best", best), ("worst", worst))
            ),
            heading=word("pair", title=titles[metric_id], n=place + 1),
            prompt=f"{word('best_prompt')}: {best['text']}\n{word('worst_prompt')}: {worst['text']}",
            language=best["language"],
            key=f"extreme-{place}",
        )


if __name__ == "__main__":
    page()
