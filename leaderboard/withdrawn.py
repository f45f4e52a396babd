"""Runs that were taken back, as the pages show them: struck through, out of the running, with the reason."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import streamlit as st

from leaderboard.data import BoardData
from leaderboard.language import words
from leaderboard.wording import plain

SUFFIX = " (withdrawn)"
"""What the build puts behind the label of such a run; the pages say it in the reader's language."""

STRIKE = "\N{COMBINING LONG STROKE OVERLAY}"
"""Behind every letter: tables and charts are drawings, in which no markup can strike a text through."""


def reasons(board: BoardData) -> dict[str, str]:
    """Run name -> why it was withdrawn."""
    return {str(run): str(why) for run, why in board.runs.withdrawn.dropna().items()}


def labels(board: BoardData) -> dict[str, str]:
    """Run name -> what it is called on the pages; withdrawn ones struck through."""
    taken_back = words("frame")("withdrawn")
    struck_ones = {run: f"{_struck(_bare(board.labels[run]))} ({taken_back})" for run in reasons(board)}
    return {**board.labels, **struck_ones}


def labelled(frame: pd.DataFrame, board: BoardData) -> pd.DataFrame:
    """A frame with columns run and label, the labels of withdrawn runs struck through."""
    gone = frame.run.isin(list(reasons(board)))
    return frame if not gone.any() else frame.assign(label=frame.label.mask(gone, frame.run.map(labels(board))))


def standing(runs: Iterable[str], board: BoardData) -> list[str]:
    """The runs that were not withdrawn; all where every one was."""
    given, gone = list(runs), reasons(board)
    return [run for run in given if run not in gone] or given


def show(runs: Iterable[str], board: BoardData) -> None:
    """Which of these runs were withdrawn, and why."""
    gone, word = reasons(board), words("frame")
    lines = [
        f"~~{plain(_bare(board.labels[run]))}~~ {word('withdrawn_why', why=plain(gone[run]))}"
        for run in dict.fromkeys(runs)
        if run in gone
    ]
    if lines:
        st.warning("\n\n".join(lines), icon=":material/undo:")


def _bare(label: str) -> str:
    return label.removesuffix(SUFFIX)


def _struck(text: str) -> str:
    return "".join(f"{letter}{STRIKE}" for letter in text)
