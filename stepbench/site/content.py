"""A board as its pages need it: tables, runs by name, and file names that no stranger's text can lead astray."""

from __future__ import annotations

import hashlib
from functools import cache, cached_property
from typing import Any

import pandas as pd

from stepbench.board.read import Board
from stepbench.wording import metric_titles


class SiteContent:
    """The board in force when the object was made, read once."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.tables: dict[str, dict[str, Any]] = {table["table_id"]: table for table in board.tables()}
        self.cards = board.cards()
        self.advisories = board.advisories()

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Runs on the board, by name."""
        runs = self.board.runs().set_index("run", drop=False)
        return runs.loc[runs.on_board.astype(bool)]

    @cached_property
    def facts(self) -> dict[str, dict[str, Any]]:
        """Run -> its row in `runs`."""
        rows: Any = self.runs.to_dict(orient="index")
        return rows

    @cache  # noqa: B019 - as long as the content, which ends with the export
    def summary(self, table_id: str, by: str) -> dict[str, pd.DataFrame]:
        """Value of the column `by` -> rows of a table's summary: read once, since a large board has many pages."""
        return {str(key): rows for key, rows in self.board.summary(table_id).groupby(by, sort=False)}

    @cached_property
    def left_out(self) -> list[dict[str, Any]]:
        """Run folders that are not on the board, with status and reason."""
        runs = self.board.runs()
        return runs.loc[~runs.on_board.astype(bool), ["run", "status", "reason"]].to_dict(orient="records")

    @property
    def clips_url(self) -> str:
        """Where the clips lie if not beside the pages; empty if they do."""
        return self.board.info.get("clips_url", "")

    def slug(self, run: str) -> str:
        """A run's name as part of a file name: names of folders may hold anything."""
        return hashlib.sha256(run.encode("utf-8", "surrogateescape")).hexdigest()[:12]

    def titles(self, table: dict[str, Any]) -> dict[str, str]:
        """metric_id -> title, of a table's metrics."""
        return metric_titles(self.cards, table["metric_ids"])

    def about(self, run: str) -> dict[str, Any]:
        """What every page says of a run: label, page, badge, and the reason where it was withdrawn."""
        row = self.facts[run]
        why = row["withdrawn"]
        return {
            "label": row["label"],
            "page": f"run-{self.slug(run)}.html",
            "badge": row["badge"],
            "withdrawn": why if isinstance(why, str) else None,
        }
