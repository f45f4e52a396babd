"""The pages and how they are found. Run through `leaderboard/server.py`, which serves the clips as well."""

from __future__ import annotations

import streamlit as st

from leaderboard import door


def main() -> None:
    """Set up the page frame and run the page that the address names."""
    st.set_page_config(page_title="stepbench leaderboard", page_icon="📊", layout="wide")
    door.require_account("viewer")
    # Streamlit leaves a hand's breadth free above the title.
    st.html("<style>[data-testid=stMainBlockContainer] { padding-top: 4.5rem; }</style>")
    pages = [
        st.Page("pages/overview.py", title="Leaderboard", icon=":material/leaderboard:", default=True),
        st.Page("pages/gallery.py", title="Gallery", icon=":material/compare:", url_path="gallery"),
    ]
    st.navigation(pages, position="top").run()


if __name__ == "__main__":
    main()
