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

from stepbench.board.read import BOARD_VARIABLE, Board, DamagedBoardError, open_board


@dataclass(frozen=True, kw_only=True)
class BoardData:
    """A board's small tables; the large ones are read by cut, pair or run as a page needs them.

    Attributes:
        board: To read the large ones from.
        info: `built_at`, `stepbench` and counts.
        tables: table_id -> card of the table.
        cards: metric_id -> metric card.
        runs: Runs on the board, by name.
        labels: Run name -> what it is called on the pages.
        left_out: Run folders that are not on the board, with status and reason.
        advisories: metric_id -> known problems of the metric.
        gates: Verdicts of gates, the newest last.
        studies: What people said, one record per study.
    """

    board: Board
    info: dict[str, Any]
    tables: dict[str, dict[str, Any]]
    cards: dict[str, dict[str, Any]]
    runs: pd.DataFrame
    labels: dict[str, str]
    left_out: pd.DataFrame
    advisories: dict[str, list[dict[str, Any]]]
    gates: list[dict[str, Any]]
    studies: list[dict[str, Any]]

    def summary(self, table_id: str, cut: str, group: str) -> pd.DataFrame:
        """One row per run and metric of a table, for all prompts (`all`, ""), a category or a language.

        Columns: run, label, then those of the board's summary.
        """
        return _summary(str(self.board.folder), self.board.version, self.board, self.runs.label, table_id, cut, group)

    def run_summary(self, run: str) -> pd.DataFrame:
        """All rows of one run."""
        return _run_summary(str(self.board.folder), self.board.version, self.board, self.runs.table_id[run], run)

    def covariances(self, table_id: str, cut: str, group: str) -> pd.DataFrame:
        """See `stepbench.board.read.Board.covariances`."""
        return _covariances(str(self.board.folder), self.board.version, self.board, table_id, cut, group)

    def pairs(self, table_id: str) -> pd.DataFrame:
        """Paired differences of the runs of a table that were compared; see `stepbench.board.pairs`."""
        return _pairs(str(self.board.folder), self.board.version, self.board, table_id)


def board_folder() -> Path:
    """The folder of the board that is shown."""
    return Path(os.environ.get(BOARD_VARIABLE, "board"))


def current_board() -> BoardData:
    """The tables of the board now in force; read again only after a new build.

    Raises:
        BoardError: There is no board, or one that this version cannot read, or a damaged one.
    """
    try:
        board = open_board(board_folder().resolve())
        return _tables(str(board.folder), board.version, board)
    except DamagedBoardError:
        # A build has swept this board's tables away since its pointer was read.
        board = open_board(board_folder().resolve())
        return _tables(str(board.folder), board.version, board)


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
        board=_board,
        info=_board.info,
        tables={table["table_id"]: table for table in _board.tables()},
        cards=_board.cards(),
        runs=runs.loc[runs.on_board.astype(bool)],
        labels=dict(zip(runs.run, runs.label.astype(str), strict=True)),
        left_out=runs.loc[~runs.on_board.astype(bool), ["run", "status", "reason"]],
        advisories=_board.advisories(),
        gates=_board.gates(),
        studies=_board.studies(),
    )


@st.cache_resource(max_entries=32, show_spinner=False)
def _summary(
    folder: str, version: str, _board: Board, _labels: pd.Series, table_id: str, cut: str, group: str
) -> pd.DataFrame:
    chosen = _board.summary(table_id, cut=cut, group=group).reset_index(drop=True)
    columns = ["run", "label", *(name for name in chosen.columns if name != "run")]
    return chosen.assign(label=_labels.loc[chosen.run].to_numpy()).loc[:, columns]


@st.cache_resource(max_entries=64, show_spinner=False)
def _run_summary(folder: str, version: str, _board: Board, table_id: str, run: str) -> pd.DataFrame:
    return _board.summary(table_id, run=run).reset_index(drop=True)


@st.cache_resource(max_entries=8, show_spinner=False)
def _covariances(folder: str, version: str, _board: Board, table_id: str, cut: str, group: str) -> pd.DataFrame:
    return _board.covariances(table_id, cut=cut, group=group)


@st.cache_resource(max_entries=8, show_spinner=False)
def _pairs(folder: str, version: str, _board: Board, table_id: str) -> pd.DataFrame:
    return _board.pairs(table_id)


@st.cache_resource(max_entries=64, show_spinner=False)
def _samples(folder: str, part: str) -> pd.DataFrame:
    return open_board(folder).samples(part)


@st.cache_resource(max_entries=64, show_spinner=False)
def _scores(folder: str, part: str) -> pd.DataFrame:
    scores = open_board(folder).scores(part)
    return scores[scores.status == "ok"].pivot(index=["prompt_id", "seed"], columns="metric_id", values="value")
