"""The pages and how they are found. Run through `leaderboard/server.py`, which serves the clips as well."""

from __future__ import annotations

import streamlit as st

from leaderboard import door, widgets
from leaderboard.language import choose_language, current, words
from leaderboard.translation import note_of_language
from stepbench.board.folder import BoardError

TITLE = "stepbench leaderboard"
# Streamlit leaves a hand's breadth free above the title and two below the end. Its red text of a chosen pill has a
# contrast of 3.6 in the dark; border and ground tell as well that the pill is chosen.
STYLE = """
[data-testid=stMainBlockContainer] { padding-top: 4.5rem; padding-bottom: 3rem; }
[data-testid=stMain] button[role=radio][aria-checked=true] { color: inherit; }
"""
# File name of a page -> its icon; the first opens by default.
PAGES = {
    "overview": ":material/leaderboard:",
    "model": ":material/model_training:",
    "compare": ":material/balance:",
    "gallery": ":material/compare:",
    "human": ":material/how_to_vote:",
    "history": ":material/timeline:",
    "methods": ":material/functions:",
    "submit": ":material/upload_file:",
}


def main() -> None:
    """Set up the page frame and run the page that the address names."""
    st.set_page_config(page_title=TITLE, page_icon="📊", layout="wide")
    door.require_account("viewer")
    st.html(f"<style>{STYLE}</style>")
    word = words("frame")
    first = next(iter(PAGES))
    pages = [
        st.Page(
            f"pages/{name}.py",
            title=word(name),
            icon=icon,
            url_path="" if name == first else name,
            default=name == first,
        )
        for name, icon in PAGES.items()
    ]
    page = st.navigation(pages, position="top")
    # Tabs, bookmarks and screen readers tell pages apart by this.
    st.set_page_config(page_title=f"{page.title} · {TITLE}")
    widgets.left_for(page.url_path)
    try:
        page.run()
    except BoardError as error:
        # What stands on the page so far stays: the part of the board that it needs next is gone or torn.
        st.error(words("frame")("damaged"))
        widgets.show_problem(error)
    choose_language()
    st.html(note_of_language(current()), unsafe_allow_javascript=True)


if __name__ == "__main__":
    main()
