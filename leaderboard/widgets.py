"""Streamlit pieces that several pages share: choices kept in the address, guidance, runs left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any, Literal

import streamlit as st

from leaderboard import data
from leaderboard.language import said, words
from leaderboard.wording import plain, table_titles
from stepbench.board.folder import BoardError

ALL = ""
"""The choice that filters nothing. No category or language has an empty name."""

MOST_LISTED = 100
MOST_UNROLLED = 15
"""Rows of a table that is shown as high as it is."""

CLEARED = (
    *("category", "language", "metric", "a", "b", "sort", "page", "recipe", "show", "weight", "generator", "licence"),
    *("coverage", "model", "run", "runs"),
)
"""Choices that lose their meaning in another table."""


def board_or_guidance() -> data.BoardData | None:
    """The board; where there is none, or an empty one, the page says how to make one."""
    word = words("frame")
    try:
        board = data.current_board()
    except BoardError as error:
        st.title(word("nothing"))
        show_problem(error)
        return None
    if board.runs.empty:
        st.title(word("no_run"))
        st.text(word("no_run_in", folder=data.board_folder()))
        show_left_out(board)
        _guidance()
        return None
    return board


def show_problem(error: BoardError) -> None:
    """What is wrong with the board, and how to make one."""
    st.text(error.message[0].upper() + error.message[1:] + ".")
    _guidance()


def show_left_out(board: data.BoardData) -> None:
    """The run folders that could not be taken in, with the reason."""
    count = len(board.left_out)
    if count == 0:
        return
    word = words("frame")
    with st.expander(word("left_out" if count > 1 else "left_out_one", n=count), icon=":material/error:"):
        rows = board.left_out.head(MOST_LISTED).map(plain).to_dict(orient="records")
        st.markdown("\n".join(f"- **{row['run']}** ({said(row['status'])}): {row['reason']}" for row in rows))
        if count > MOST_LISTED:
            st.caption(word("left_out_more", n=count - MOST_LISTED))


def show_advisories(board: data.BoardData, metric_ids: Sequence[str]) -> None:
    """Known problems of the metrics, in amber."""
    for metric_id in metric_ids:
        for one in board.advisories.get(metric_id, []):
            title = board.cards[metric_id]["title"]
            st.warning(
                f"**{plain(title)}**: {plain(one['problem'])} ({plain(one['source'])})", icon=":material/warning:"
            )


def _guidance() -> None:
    st.markdown(words("frame")("guidance"))
    st.code(
        "stepbench demo\n"
        "stepbench run -M GENERATOR -t SUITE -o runs\n"
        f"stepbench leaderboard build --runs runs -o {data.board_folder()}",
        language="bash",
    )


def choose_table(board: data.BoardData, page: str) -> dict[str, Any]:
    """The table to show: runs on the same suite, prompts, seeds and clip size. Other pages start from the same one.

    Args:
        page: Name of the page that asks.
    """
    usual = _brought_along(board, page)
    word = words("frame")
    titles = table_titles(board.tables, word)
    table_id = choose(
        word("suite"),
        list(titles),
        key="suite",
        default=usual,
        format_func=titles.__getitem__,
        clears=CLEARED,
        help=word("suite_help"),
    )
    st.session_state["remembered_suite"] = table_id
    return board.tables[table_id]


def left_for(page: str) -> None:
    """Note which page is shown, so that whoever comes back to a page arrives there anew."""
    if st.session_state.get("page shown") != page:
        st.session_state["page shown"] = page
        st.session_state.pop("page of the suite", None)


def _brought_along(board: data.BoardData, page: str) -> str:
    """The table for an address that names none: the one of the page that the visitor comes from, else the first."""
    state = st.session_state
    first = next(iter(board.tables))
    arrived = page != state.get("page of the suite")
    if arrived:
        state["page of the suite"] = page
        state["suite brought along"] = None if "suite" in st.query_params else state.get("remembered_suite")
    brought = state.get("suite brought along")
    if brought not in board.tables:
        return first
    # Once, on arrival: an address completed again and again would lead the back button in a circle.
    if arrived and brought != first:
        st.query_params["suite"] = brought
    return brought


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


def choose_cut(table: Mapping[str, Any]) -> tuple[str, str]:
    """All prompts, one category or one language: the cut and its group."""
    word = words("frame")
    chosen = {}
    for kind, other, groups in (
        ("category", "language", table["categories"]),
        ("language", "category", table["languages"]),
    ):
        if len(groups) < 2:
            chosen[kind] = ALL
            continue
        chosen[kind] = choose_pill(
            word(f"cut_{kind}"),
            [ALL, *groups],
            # The parameter `lang` is the language of the pages, `language` that of the prompts.
            key=kind,
            format_func=group_title,
            clears=(other,),
        )
    for kind in ("category", "language"):
        if chosen[kind]:
            return kind, chosen[kind]
    return "all", ""


def group_title(group: str) -> str:
    """The text of a choice of category or language."""
    return group or words("frame")("all")


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


def choose_many(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: Sequence[str] = (),
    most: int | None = None,
    format_func: Callable[[str], str] = str,
    clears: Sequence[str] = (),
    help: str | None = None,
) -> list[str]:
    """A box of several choices, one query parameter `key` for each; unknown values in the address are dropped.

    Args:
        default: What is chosen where the address names none.
        most: How many may be chosen.
    """
    wanted = [option for option in dict.fromkeys(st.query_params.get_all(key)) if option in options]
    chosen = (wanted or list(default))[:most]
    st.session_state[key] = chosen
    st.multiselect(
        label,
        options,
        key=key,
        format_func=format_func,
        max_selections=most,
        help=help,
        on_change=_to_address,
        args=(key, clears),
        placeholder=words("frame")("all"),
    )
    return chosen


def choose_share(label: str, *, key: str, help: str | None = None) -> float:
    """A slider from 0 to 100 %, as a share; the query parameter `key` holds per cent."""
    wanted = st.query_params.get(key, "0")
    percent = min(int(wanted), 100) if re.fullmatch("[0-9]{1,3}", wanted) else 0
    st.session_state[key] = percent
    st.slider(label, 0, 100, key=key, format="%d %%", help=help, on_change=_share_to_address, args=(key,))
    return percent / 100


def height(rows: Sized) -> Literal["content", "auto"]:
    """Of a table: all of a short one, without a bar that hides the last rows; a window on a long one."""
    return "content" if len(rows) <= MOST_UNROLLED else "auto"


def to_address(changes: Mapping[str, str | Sequence[str]], clears: Sequence[str] = ()) -> None:
    """Change query parameters in one step: every change of the address is a stop of the browser's back button.

    Args:
        changes: Parameter -> value or values; empty ones are removed.
        clears: Parameters to remove.
    """
    parameters: dict[str, Any] = {name: st.query_params.get_all(name) for name in st.query_params}
    parameters |= changes
    st.query_params.from_dict({name: value for name, value in parameters.items() if value and name not in clears})


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
    to_address({key: st.session_state[key]}, clears)


def _share_to_address(key: str) -> None:
    to_address({key: str(st.session_state[key] or "")})


def _page_to_address(key: str) -> None:
    st.query_params["page"] = str(st.session_state[key])
