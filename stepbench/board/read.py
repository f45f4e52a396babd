"""Read a board: tables as data frames. Nothing is computed here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from stepbench.board.folder import BoardFolder

BOARD_VARIABLE = "STEPBENCH_BOARD"
"""Environment variable that tells the leaderboard's pages which board folder to read."""


class Board:
    """The board in force when the object was made. Every table is read when it is asked for.

    Attributes:
        folder: The board folder; clip paths in the tables are relative to it.
        info: The parsed `board.json`: built_at, stepbench, and the numbers of runs, left_out, tables and clips.

    Raises:
        BoardError: The folder holds no board, or one that this version cannot read.
    """

    def __init__(self, path: str | Path) -> None:
        self._files = BoardFolder(Path(path))
        self.folder = self._files.path
        self.info: dict[str, Any] = self._files.read_pointer()
        self._data = self.folder / self.info["data"]

    @property
    def version(self) -> str:
        """Changes when, and only when, the board's content does."""
        return self.info["data"]

    def tables(self) -> list[dict[str, Any]]:
        """One card per table: suite, selection, geometry, categories, languages, metric_ids and runs."""
        return self._json("tables.json")

    def cards(self) -> dict[str, dict[str, Any]]:
        """metric_id -> metric card."""
        return self._json("cards.json")

    def runs(self) -> pd.DataFrame:
        """One row per run folder, those left out with their reason; see `stepbench.board.build.RUN_COLUMNS`."""
        return pd.read_parquet(self._data / "runs.parquet")

    def summary(self) -> pd.DataFrame:
        """One row per run, metric and cut; see `stepbench.board.tables.table_summary`."""
        return pd.read_parquet(self._data / "summary.parquet")

    def samples(self, part: str) -> pd.DataFrame:
        """One row per planned sample of a run, in plan order. `clip` is the path of its preview, or None.

        Columns: prompt_id, seed, text, language, category, unit, outcome, error, clip, no_clip (why there is none),
        frames, fps, height, width, seconds_total.

        Args:
            part: The run's `part` in `runs()`.
        """
        return pd.read_parquet(self._files.parts / part / "samples.parquet")

    def scores(self, part: str) -> pd.DataFrame:
        """Long form: prompt_id, seed, metric_id, value (NaN unless `status` is `ok`), status, error."""
        return pd.read_parquet(self._files.parts / part / "scores.parquet")

    def _json(self, name: str) -> Any:
        return json.loads((self._data / name).read_text(encoding="utf-8"))


def open_board(path: str | Path) -> Board:
    """Open the board in `path`.

    Raises:
        BoardError: It holds no board, or one that this version cannot read.
    """
    return Board(path)
