"""Two runs side by side, prompt by prompt and seed by seed, played in step."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from leaderboard import data, widgets, wording
from leaderboard.components.video_pair import Fact, Side, video_pair
from leaderboard.pairs import pair_samples, select_pairs
from stepbench.wording import metric_titles, number

ORDER = "order"
PER_PAGE = 8


def page() -> None:
    """Lay the page out."""
    board = widgets.board_or_guidance()
    if board is None:
        return
    st.title("Gallery")
    table = widgets.choose_table(board)
    run_a, run_b = _choose_runs(board, table)
    pairs = _filtered(board, table, pair_samples(board.runs, run_a, run_b))
    if pairs.empty:
        st.info("No prompt passes these filters.")
        return
    pages = -(-len(pairs) // PER_PAGE)
    page_number = widgets.choose_page(pages, place="top")
    first = (page_number - 1) * PER_PAGE
    last = min(first + PER_PAGE, len(pairs))
    st.caption(f"Pairs {first + 1} to {last} of {len(pairs)}; both clips of a pair share prompt and seed")
    labels = [str(board.runs.label[run]) for run in (run_a, run_b)]
    for position, row in enumerate(pairs.iloc[first : first + PER_PAGE].to_dict(orient="records")):
        left, right = (
            _side(f"{letter.upper()} · {label}", row, letter, table) for letter, label in zip("ab", labels, strict=True)
        )
        video_pair(
            left,
            right,
            heading=f"{row['prompt_id']} · {row['category']} · seed {row['seed']}",
            prompt=row["text"],
            language=row["language"],
            facts=_facts(board, table, row),
            key=f"pair-{position}",
        )
    widgets.choose_page(pages, place="bottom")


def _choose_runs(board: data.BoardData, table: dict[str, Any]) -> tuple[str, str]:
    def label(name: str) -> str:
        return str(board.runs.label[name])

    names = table["runs"]
    left, right = st.columns(2)
    with left:
        run_a = widgets.choose("A", names, key="a", format_func=label, clears=["page"])
    with right:
        run_b = widgets.choose("B", names, key="b", default=names[:2][-1], format_func=label, clears=["page"])
    return run_a, run_b


def _filtered(board: data.BoardData, table: dict[str, Any], pairs: pd.DataFrame) -> pd.DataFrame:
    titles = metric_titles(board.cards, table["metric_ids"])
    columns = st.columns(4)
    with columns[0]:
        category = _choose_group("Category", table["categories"])
    with columns[1]:
        language = _choose_group("Language", table["languages"])
    with columns[2]:
        text = widgets.ask_text("Search prompts", key="search", clears=["page"])
    with columns[3]:
        sort = widgets.choose(
            "Sort",
            [ORDER, *table["metric_ids"]],
            key="sort",
            clears=["page"],
            format_func=lambda key: "Prompt order" if key == ORDER else f"Most different in {titles[key]}",
        )
    return select_pairs(
        pairs,
        category=category or None,
        language=language or None,
        text=text,
        most_different_in=None if sort == ORDER else sort,
    )


def _choose_group(label: str, groups: list[str]) -> str:
    return widgets.choose(
        label, [widgets.ALL, *groups], key=label.lower(), format_func=wording.group_title, clears=["page"]
    )


def _side(title: str, row: dict[str, Any], letter: str, table: dict[str, Any]) -> Side:
    values = {name: row[f"{name}_{letter}"] for name in ("clip", "outcome", "error", "no_clip")}
    geometry = {name: row[f"{name}_{letter}"] for name in ("frames", "fps", "width", "height")}
    geometry = {name: value if pd.notna(value) else table[name] for name, value in geometry.items()}
    known = {name: value for name, value in geometry.items() if value}
    if isinstance(values["clip"], str):
        return Side(title=title, url=values["clip"], **known)
    words = {"ok": "No clip to show", "failed": "Failed", "refused": "Refused"}.get(values["outcome"], "Not made")
    why = values["no_clip"] if values["outcome"] == "ok" else values["error"]
    return Side(title=title, reason=f"{words}: {why}" if isinstance(why, str) else words, **known)


def _facts(board: data.BoardData, table: dict[str, Any], row: dict[str, Any]) -> list[Fact]:
    facts = []
    for metric_id, title in metric_titles(board.cards, table["metric_ids"]).items():
        a, b = (row.get(f"{metric_id}_{letter}", float("nan")) for letter in "ab")
        lead = {"higher": a - b, "lower": b - a}.get(board.cards[metric_id]["direction"], 0.0)
        better = "left" if lead > 0 else "right" if lead < 0 else ""
        facts.append(Fact(label=title, left=number(a), right=number(b), better=better))
    return facts


if __name__ == "__main__":
    page()
