"""The page on which an annotator judges one pair after the other."""

from __future__ import annotations

import streamlit as st

from leaderboard.components.vote import vote_screen
from leaderboard.translation import Words
from leaderboard.voting.desk import Desk
from leaderboard.voting.screen import lengths, screen_data
from leaderboard.voting.visitor import limiter, study, visitor, words
from stepbench.preferences.errors import StudyBusyError


def page() -> None:
    """Lay the page out."""
    text, guest = words(), visitor()
    if guest is None:
        st.warning(text("ended"))
        return
    if not guest.may("annotator"):
        st.info(text("viewer"))
        return
    try:
        _judge(_desk(guest.name), text)
    except StudyBusyError:
        st.info(text("busy"))
        st.button(text("again"))
    st.text(text("voting_as", name=guest.name))


def _judge(desk: Desk, text: Words) -> None:
    assignment = desk.pair()
    _introduction(desk, text)
    if desk.notice is not None:
        (st.warning if desk.notice.wrong else st.success)(text(desk.notice.key))
    if assignment is None:
        _nothing_to_judge(desk, text)
    else:
        progress = desk.study.own_progress(desk.annotator)
        data = screen_data(desk.study, assignment, progress, text)
        data |= {"can_undo": desk.can_undo(), "attempt": desk.attempt}
        did = vote_screen(data, key=f"pair-{assignment.assignment_id}-{text.language}")
        _act(desk, did)


def _desk(name: str) -> Desk:
    """The desk of this tab; another person in the same tab gets another one."""
    desk = st.session_state.get("desk")
    if desk is None or desk.annotator != name:
        opened = study()
        desk = Desk(opened, name, limiter(), lambda assignment: lengths(opened, assignment))
        st.session_state["desk"] = desk
    return desk


def _act(desk: Desk, did: object) -> None:
    """Do what the annotator asked for, and show what came of it."""
    sent, undone, alive = (getattr(did, name, None) for name in ("vote", "undo", "beat"))
    if sent is not None:
        desk.vote(sent)
    elif undone is not None:
        desk.undo()
    elif alive is not None:
        before = desk.shown
        desk.beat(alive)
        if desk.shown is before:
            return
    else:
        return
    st.rerun()


def _introduction(desk: Desk, text: Words) -> None:
    protocol, progress = desk.study.protocol, desk.study.own_progress(desk.annotator)
    first = progress.judged == 0 and progress.practised == 0
    with st.expander(text("instructions"), expanded=first):
        st.text(protocol.title.in_language(text.language))
        st.text(protocol.instructions.in_language(text.language))
        if progress.practice:
            st.text(text("practice_intro"))
    total = progress.judged + progress.left
    if desk.state == "done":
        st.progress(1.0, text=text("progress_done", judged=progress.judged))
    elif total:
        st.progress(progress.judged / total, text=text("progress", judged=progress.judged, left=progress.left))


def _nothing_to_judge(desk: Desk, text: Words) -> None:
    message = text(desk.state, cap=desk.study.protocol.daily_cap)
    if desk.state == "done":
        st.success(message)
    else:
        st.info(message)
        if st.button(text("again")):
            desk.notice = None
            st.rerun()
    if desk.can_undo() and st.button(text("undo")):
        desk.undo()
        st.rerun()


if __name__ == "__main__":
    page()
