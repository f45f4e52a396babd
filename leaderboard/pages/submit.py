"""How to hand a run in, and a first check of an archive; nothing that is uploaded is kept."""

from __future__ import annotations

import streamlit as st

from leaderboard.language import words
from leaderboard.wording import plain
from stepbench.errors import StepbenchError
from stepbench.submissions.limits import MOST_MIB
from stepbench.submissions.upload import check_upload

ICONS = {"passed": ":material/check_circle:", "failed": ":material/error:", "skipped": ":material/remove:"}


def page() -> None:
    """Lay the page out."""
    word = words("submit")
    st.title(words("frame")("submit"))
    st.markdown(word("intro"))
    st.code(
        "tar czf my-run.tar.gz -C runs my-run\nstepbench leaderboard check my-run.tar.gz --rescore 8", language="bash"
    )
    given = st.file_uploader(word("choose", size=MOST_MIB), type=["zip", "gz", "tgz"], key="submission")
    if given is None:
        return
    try:
        run, checks = check_upload(given.name, given)
    except StepbenchError as error:
        st.error(f"{word('refused')}: {plain(error.message)}", icon=":material/error:")
        st.caption(plain(error.hint))
        return
    failed = [check for check in checks if check.result == "failed"]
    if failed:
        st.error(
            word("failed" if len(failed) > 1 else "failed_single", run=plain(run), n=len(failed)),
            icon=":material/error:",
        )
    else:
        st.success(word("passed", run=plain(run)), icon=":material/check_circle:")
    for check in checks:
        st.markdown(f"{ICONS[check.result]} **{check.name}**: {word(check.result + '_one')}. {plain(check.detail)}")
    st.caption(word("rest"))


if __name__ == "__main__":
    page()
