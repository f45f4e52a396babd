"""Read a board: tables as data frames. Nothing is computed here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from stepbench.board.clips_url import clip_address
from stepbench.board.folder import BoardError, BoardFolder

BOARD_VARIABLE = "STEPBENCH_BOARD"
"""Environment variable that tells the leaderboard's pages which board folder to read."""


class DamagedBoardError(BoardError):
    """A file of the board is missing or torn: half a copy, or a build has swept it away since the board was opened."""


class Board:
    """The board in force when the object was made. Every table is read when it is asked for.

    Attributes:
        folder: The board folder; clip paths in the tables are relative to it.
        info: The parsed `board.json`: built_at, stepbench, and the numbers of runs, left_out, tables and clips.

    Raises:
        BoardError: The folder holds no board, or one that this version cannot read.
        DamagedBoardError: By every method: the file that holds the answer is missing or torn.
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
        """One row per run folder, those left out with their reason; see `stepbench.board.data_folder.RUN_COLUMNS`."""
        return _table(self._data / "runs.parquet")

    def summary(
        self, table_id: str | None = None, *, cut: str | None = None, group: str | None = None, run: str | None = None
    ) -> pd.DataFrame:
        """One row per run, metric and cut; see `stepbench.board.tables.table_summary`. Only what is asked for is read.

        Three columns are for people: `interval`, `rank` and `scored`.
        """
        return self._rows("summary.parquet", table_id=table_id, cut=cut, group=group, run=run)

    def covariances(self, table_id: str, *, cut: str, group: str) -> pd.DataFrame:
        """One row per run: run, and `covariance` of the means of the table's metrics, packed by rows."""
        return self._rows("covariances.parquet", table_id=table_id, cut=cut, group=group).loc[:, ["run", "covariance"]]

    def pairs(
        self,
        table_id: str,
        *,
        run_a: str | None = None,
        run_b: str | None = None,
        metric_id: str | None = None,
        cut: str | None = None,
    ) -> pd.DataFrame:
        """Paired differences (b - a) of the runs that the table card calls `compared`; see `stepbench.board.pairs`."""
        return self._rows("pairs.parquet", table_id=table_id, run_a=run_a, run_b=run_b, metric_id=metric_id, cut=cut)

    def advisories(self) -> dict[str, list[dict[str, Any]]]:
        """metric_id -> known problems of the metric; see `stepbench.board.advisories`."""
        return self._json("advisories.json")

    def gates(self) -> list[dict[str, Any]]:
        """Verdicts of gates, the newest last; see `stepbench.board.gates`."""
        return self._json("gates.json")

    def studies(self) -> list[dict[str, Any]]:
        """What people said; see `stepbench.board.studies.study_record`."""
        return self._json("studies.json")

    def samples(self, part: str) -> pd.DataFrame:
        """One row per planned sample of a run, in plan order. `clip` is its preview, or None.

        A preview is a path in the board folder, or an address where the board was built with one for clips.

        Columns: prompt_id, seed, text, language, category, unit, outcome, error, clip, no_clip (why there is none),
        frames, fps, height, width, seconds_total.

        Args:
            part: The run's `part` in `runs()`.
        """
        samples = _table(self._files.parts / part / "samples.parquet")
        address = self.info.get("clips_url", "")
        if not address:
            return samples
        clips = [clip_address(address, name) if isinstance(name, str) else None for name in samples["clip"]]
        return samples.assign(clip=pd.Series(clips, dtype=object))

    def scores(self, part: str) -> pd.DataFrame:
        """Long form: prompt_id, seed, metric_id, value (NaN unless `status` is `ok`), status, error."""
        return _table(self._files.parts / part / "scores.parquet")

    def _rows(self, name: str, **wanted: str | None) -> pd.DataFrame:
        filters = [(column, "==", value) for column, value in wanted.items() if value is not None]
        return _table(self._data / name, filters=filters or None)

    def _json(self, name: str) -> Any:
        path = self._data / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error


def _table(path: Path, **options: Any) -> pd.DataFrame:
    try:
        return pd.read_parquet(path, **options)
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DamagedBoardError:
    why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({type(error).__name__})"
    return DamagedBoardError(f"{path} {why}", hint="build the board again")


def open_board(path: str | Path) -> Board:
    """Open the board in `path`.

    Raises:
        BoardError: It holds no board, or one that this version cannot read.
    """
    return Board(path)
