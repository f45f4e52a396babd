"""What the pages show, read from the board that the server was started for. Nothing is computed here.

Frames come from a cache that all visitors share: treat them as read-only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from stepbench.board.read import BOARD_VARIABLE, Board, open_board


@dataclass(frozen=True, kw_only=True)
class BoardData:
    """A board's tables.

    Attributes:
        info: `built_at`, `stepbench` and counts.
        tables: table_id -> card of the table.
        cards: metric_id -> metric card.
        runs: Runs on the board, by name.
        left_out: Run folders that are not on the board, with status and reason.
        summary: One row per run, metric and cut.
    """

    info: dict[str, Any]
    tables: dict[str, dict[str, Any]]
    cards: dict[str, dict[str, Any]]
    runs: pd.DataFrame
    left_out: pd.DataFrame
    summary: pd.DataFrame


def board_folder() -> Path:
    """The folder of the board that is shown."""
    return Path(os.environ.get(BOARD_VARIABLE, "board"))


def current_board() -> BoardData:
    """The tables of the board now in force; read again only after a new build.

    Raises:
        BoardError: There is no board, or one that this version cannot read.
    """
    try:
        board = open_board(board_folder())
        return _tables(str(board.folder.resolve()), board.version, board)
    except FileNotFoundError:
        # A build has swept this board's tables away since its pointer was read.
        board = open_board(board_folder())
        return _tables(str(board.folder.resolve()), board.version, board)


def run_samples(part: str) -> pd.DataFrame:
    """Samples of a run, by its `part` in `BoardData.runs`; see `stepbench.board.Board.samples`."""
    return _samples(str(board_folder().resolve()), part)


def run_scores(part: str) -> pd.DataFrame:
    """Scores of a run: one row per (prompt_id, seed), one column per metric id, NaN where there is none."""
    return _scores(str(board_folder().resolve()), part)


@st.cache_resource(max_entries=4, show_spinner=False)
def _tables(folder: str, version: str, _board: Board) -> BoardData:
    runs = _board.runs().set_index("run", drop=False)
    return BoardData(
        info=_board.info,
        tables={table["table_id"]: table for table in _board.tables()},
        cards=_board.cards(),
        runs=runs.loc[runs.on_board.astype(bool)],
        left_out=runs.loc[~runs.on_board.astype(bool), ["run", "status", "reason"]],
        summary=_board.summary(),
    )


@st.cache_resource(max_entries=64, show_spinner=False)
def _samples(folder: str, part: str) -> pd.DataFrame:
    return open_board(folder).samples(part)


@st.cache_resource(max_entries=64, show_spinner=False)
def _scores(folder: str, part: str) -> pd.DataFrame:
    scores = open_board(folder).scores(part)
    return scores[scores.status == "ok"].pivot(index=["prompt_id", "seed"], columns="metric_id", values="value")
