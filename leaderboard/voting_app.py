"""The voting pages and how they are found. Run through `leaderboard/voting_server.py`, which serves the clips too."""

from __future__ import annotations

import streamlit as st

from leaderboard import door
from leaderboard.translation import note_of_language
from leaderboard.voting.visitor import visitor, words


def main() -> None:
    """Set up the page frame and run the page that the address names; the organiser's page is for organisers alone."""
    text = words()
    st.set_page_config(page_title=text("title"), page_icon="🗳️", layout="wide")
    door.require_account("viewer")
    guest = visitor()
    if guest is None:
        st.warning(text("ended"))
        return
    pages = [st.Page("voting/vote_page.py", title=text("nav_vote"), icon=":material/how_to_vote:", default=True)]
    if guest.may("admin"):
        pages.append(
            st.Page("voting/admin_page.py", title=text("nav_admin"), icon=":material/monitoring:", url_path="admin")
        )
    # Room for the menu, where there is one; below it stand clips that stay in sight.
    room, menu = ("4rem", "3.5rem") if len(pages) > 1 else ("1.5rem", "0rem")
    block = f"[data-testid=stMainBlockContainer] {{ padding-top: {room}; padding-bottom: 2rem; }}"
    st.html(f"<style>{block} :root {{ --menu-height: {menu}; }}</style>")
    st.navigation(pages, position="top").run()
    st.html(note_of_language(text.language), unsafe_allow_javascript=True)


if __name__ == "__main__":
    main()
