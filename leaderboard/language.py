"""Which language the pages speak: `?lang=`, else what was chosen on another page, else that of the browser."""

from __future__ import annotations

import streamlit as st

from leaderboard.translation import LANGUAGES, Words, language_of
from stepbench.board.verdict_words import say

PARAMETER = "lang"
_REMEMBERED = "remembered_language"
_KEY = "interface_language"


def current() -> str:
    """A code of `LANGUAGES`."""
    asked = st.query_params.get(PARAMETER)
    if asked in LANGUAGES:
        # Links of the menu carry no parameters, so the choice is kept for the other pages.
        st.session_state[_REMEMBERED] = asked
    return language_of(asked or st.session_state.get(_REMEMBERED), st.context.locale)


def words(page: str) -> Words:
    """The texts of a page in the language of this visitor."""
    return Words(page, current())


def said(text: str) -> str:
    """A verdict, status or question as this visitor reads it."""
    return say(text, current())


def choose_language() -> None:
    """Buttons for the language, each named in itself."""
    chosen = current()
    st.session_state[_KEY] = chosen
    st.segmented_control(
        words("frame")("language"),
        list(LANGUAGES),
        key=_KEY,
        required=True,
        format_func=LANGUAGES.__getitem__,
        label_visibility="collapsed",
        on_change=_to_address,
    )


def _to_address() -> None:
    st.session_state[_REMEMBERED] = st.session_state[_KEY]
    st.query_params[PARAMETER] = st.session_state[_KEY]
