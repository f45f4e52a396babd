"""Streamlit pieces that several pages share: choices kept in the address, guidance, runs left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from leaderboard import data
from leaderboard.wording import plain, table_titles
from stepbench.board.folder import BoardError

ALL = ""
"""The choice that filters nothing. No category or language has an empty name."""

MOST_LISTED = 100


def board_or_guidance() -> data.BoardData | None:
    """The board; where there is none, or an empty one, the page says how to make one."""
    try:
        board = data.current_board()
    except BoardError as error:
        st.title("Nothing to show yet")
        st.text(error.message[0].upper() + error.message[1:] + ".")
        _guidance()
        return None
    if board.runs.empty:
        st.title("No finished run yet")
        st.text(f"The board in {data.board_folder()} holds no finished run.")
        show_left_out(board)
        _guidance()
        return None
    return board


def show_left_out(board: data.BoardData) -> None:
    """The run folders that could not be taken in, with the reason."""
    count = len(board.left_out)
    if count == 0:
        return
    title = f"{count} run folders are not on the board" if count > 1 else "1 run folder is not on the board"
    with st.expander(title, icon=":material/error:"):
        rows = board.left_out.head(MOST_LISTED).map(plain).to_dict(orient="records")
        st.markdown("\n".join(f"- **{row['run']}** ({row['status']}): {row['reason']}" for row in rows))
        if count > MOST_LISTED:
            st.caption(f"... and {count - MOST_LISTED} more; `stepbench leaderboard build` lists them all")


def _guidance() -> None:
    st.markdown("Make runs with the built-in demo or with a generator of your own, build the board, and reload:")
    st.code(
        "stepbench demo\n"
        "stepbench run -M GENERATOR -t SUITE -o runs\n"
        f"stepbench leaderboard build --runs runs -o {data.board_folder()}",
        language="bash",
    )


def choose_table(board: data.BoardData) -> dict[str, Any]:
    """The table to show: runs on the same suite, prompts, seeds and clip size. Other pages start from the same one."""
    remembered = st.session_state.get("remembered_suite")
    if "suite" not in st.query_params and remembered in board.tables:
        st.query_params["suite"] = remembered
    titles = table_titles(board.tables)
    table_id = choose(
        "Suite",
        list(titles),
        key="suite",
        format_func=titles.__getitem__,
        clears=("category", "language", "metric", "a", "b", "sort", "page", "recipe"),
        help="Only runs on the same prompts, seeds and clip size stand in one table.",
    )
    st.session_state["remembered_suite"] = table_id
    return board.tables[table_id]


def choose(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: str | None = None,
    format_func: Callable[[str], str] = str,
    clears: Sequence[str] = (),
    help: str | None = None,
) -> str:
    """A select box whose choice is the query parameter `key`; an unknown value in the address means the default.

    The address is the one source of truth, so links, reload and the browser's back button all work. Option texts are
    shown as they are, without Markdown; they must differ.

    Args:
        default: None for the first option.
        clears: Other query parameters that lose their meaning when this one changes.
    """
    chosen = _seed(key, options, default)
    st.selectbox(label, options, key=key, format_func=format_func, help=help, on_change=_to_address, args=(key, clears))
    return chosen


def choose_pill(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    format_func: Callable[[str], str] = str,
    clears: Sequence[str] = (),
) -> str:
    """As `choose`, with all options in sight and the first as default."""
    chosen = _seed(key, options, None)
    st.pills(
        label,
        options,
        key=key,
        required=True,
        format_func=lambda option: plain(format_func(option)),
        on_change=_to_address,
        args=(key, clears),
    )
    return chosen


def ask_text(label: str, *, key: str, clears: Sequence[str] = ()) -> str:
    """A text field whose content is the query parameter `key`."""
    text = st.query_params.get(key, "")
    st.session_state[key] = text
    st.text_input(label, key=key, on_change=_to_address, args=(key, clears))
    return text


def choose_page(pages: int, *, place: str) -> int:
    """Page buttons for the query parameter `page`, from 1 up; `place` tells several on one screen apart."""
    wanted = st.query_params.get("page", "1")
    page = min(max(int(wanted), 1), pages) if re.fullmatch("[0-9]{1,9}", wanted) else 1
    if pages > 1:
        # A new widget for every page: the default of one that is there already could not be moved.
        key = f"page-{place}-{page}-of-{pages}"
        st.pagination(pages, default=page, key=key, on_change=_page_to_address, args=(key,))
    return page


def _seed(key: str, options: Sequence[str], default: str | None) -> str:
    """Give the widget `key` the value that the address asks for."""
    usual = options[0] if default is None else default
    wanted = st.query_params.get(key, usual)
    chosen = wanted if wanted in options else usual
    st.session_state[key] = chosen
    return chosen


def _to_address(key: str, clears: Sequence[str]) -> None:
    parameters = st.query_params.to_dict() | {key: st.session_state[key]}
    # In one step: every change of the address is a stop of the browser's back button.
    st.query_params.from_dict({name: text for name, text in parameters.items() if text and name not in clears})


def _page_to_address(key: str) -> None:
    st.query_params["page"] = str(st.session_state[key])
