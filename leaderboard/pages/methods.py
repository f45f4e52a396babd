"""How each number is computed, from the metrics' cards."""

from __future__ import annotations

from typing import Any

import streamlit as st

from leaderboard import recipe, widgets, wording
from leaderboard.language import words

SEARCHED = ("id", "title", "family", "formula", "sees", "blind_to", "source")


def page() -> None:
    """Lay the page out."""
    board = widgets.board_or_guidance()
    if board is None:
        return
    word = words("methods")
    st.title(words("frame")("methods"))
    st.markdown(word("intro"))
    st.subheader(word("statistics"))
    recipe.show_statistics()
    st.subheader(word("metrics"))
    text = widgets.ask_text(word("search"), key="find")
    cards = [card for card in board.cards.values() if _matches(card, text)]
    if not cards:
        st.info(word("none"))
    for card in sorted(cards, key=lambda card: (card["family"], card["title"], card["id"])):
        amber = ":material/warning:" if card["id"] in board.advisories else ":material/functions:"
        with st.expander(f"{wording.plain(card['family'])} · {wording.plain(card['title'])}", icon=amber):
            recipe.show_card(card)
            widgets.show_advisories(board, [card["id"]])


def _matches(card: dict[str, Any], text: str) -> bool:
    content = "\n".join(str(card[field]) for field in SEARCHED).casefold()
    return all(part in content for part in text.casefold().split())


if __name__ == "__main__":
    page()
