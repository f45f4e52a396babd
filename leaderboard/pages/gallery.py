"""Two runs side by side, prompt by prompt and seed by seed, played in step."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from leaderboard import clips, data, widgets, withdrawn
from leaderboard.components.video_pair import video_pair
from leaderboard.language import words
from leaderboard.pairs import pair_samples, select_pairs
from stepbench.wording import metric_titles

ORDER = "order"
PER_PAGE = 8


def page() -> None:
    """Lay the page out."""
    board = widgets.board_or_guidance()
    if board is None:
        return
    word = words("gallery")
    st.title(words("frame")("gallery"))
    table = widgets.choose_table(board, "gallery")
    run_a, run_b = _choose_runs(board, table)
    withdrawn.show([run_a, run_b], board)
    pairs = _filtered(board, table, pair_samples(board.runs, run_a, run_b))
    if pairs.empty:
        st.info(word("nothing_passes"))
        return
    pages = -(-len(pairs) // PER_PAGE)
    page_number = widgets.choose_page(pages, place="top")
    first = (page_number - 1) * PER_PAGE
    last = min(first + PER_PAGE, len(pairs))
    st.caption(word("pairs", first=first + 1, last=last, total=len(pairs)))
    labels = [withdrawn.labels(board)[run] for run in (run_a, run_b)]
    player = words("player")
    for position, row in enumerate(pairs.iloc[first : first + PER_PAGE].to_dict(orient="records")):
        left, right = (
            clips.side(f"{letter.upper()} · {label}", row, table, player, f"_{letter}")
            for letter, label in zip("ab", labels, strict=True)
        )
        video_pair(
            left,
            right,
            heading=word("heading", prompt=row["prompt_id"], category=row["category"], seed=row["seed"]),
            prompt=row["text"],
            language=row["language"],
            facts=clips.facts(board.cards, table["metric_ids"], row),
            key=f"pair-{position}",
        )
    widgets.choose_page(pages, place="bottom")


def _choose_runs(board: data.BoardData, table: dict[str, Any]) -> tuple[str, str]:
    label = withdrawn.labels(board).__getitem__
    names, usual = table["runs"], withdrawn.standing(table["runs"], board)[:2]
    left, right = st.columns(2)
    with left:
        run_a = widgets.choose("A", names, key="a", default=usual[0], format_func=label, clears=["page"])
    with right:
        run_b = widgets.choose("B", names, key="b", default=usual[-1], format_func=label, clears=["page"])
    return run_a, run_b


def _filtered(board: data.BoardData, table: dict[str, Any], pairs: pd.DataFrame) -> pd.DataFrame:
    word = words("gallery")
    titles = metric_titles(board.cards, table["metric_ids"])
    columns = st.columns(4)
    with columns[0]:
        category = _choose_group("category", table["categories"])
    with columns[1]:
        language = _choose_group("language", table["languages"])
    with columns[2]:
        text = widgets.ask_text(word("search"), key="search", clears=["page"])
    with columns[3]:
        sort = widgets.choose(
            word("sort"),
            [ORDER, *table["metric_ids"]],
            key="sort",
            clears=["page"],
            format_func=lambda key: word("order") if key == ORDER else word("most_different", title=titles[key]),
        )
    return select_pairs(
        pairs,
        category=category or None,
        language=language or None,
        text=text,
        most_different_in=None if sort == ORDER else sort,
    )


def _choose_group(kind: str, groups: list[str]) -> str:
    return widgets.choose(
        words("frame")(f"cut_{kind}"),
        [widgets.ALL, *groups],
        key=kind,
        format_func=widgets.group_title,
        clears=["page"],
    )


if __name__ == "__main__":
    page()
