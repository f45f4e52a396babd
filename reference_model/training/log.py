"""The log of a training run: one CSV row per logged step, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any


class TrainingLog:
    """Appends rows to `log.csv`. A row may have columns that no earlier one had; what is absent or NaN stays empty.

    Rows after `start` are dropped on opening: they belong to steps that are about to be made again. Where the package
    `tensorboard` is installed, the same figures go to a folder of that name beside the file.
    """

    def __init__(self, file: Path, *, start: int) -> None:
        self._file = file
        self._columns, rows = _read(file)
        kept = [row for row in rows if _is_at_most(row, start, self._columns)]
        if rows and len(kept) < len(rows):
            self._rewrite(kept)
        self._writer = _tensorboard(file.parent, start)

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Writes the row of a step."""
        row: dict[str, Any] = {"step": step} | {
            key: "" if math.isnan(value) else f"{value:.6g}" for key, value in values.items()
        }
        new = [column for column in row if column not in self._columns]
        if new:
            rows = _read(self._file)[1]
            self._columns = [*self._columns, *new]
            self._rewrite([*rows, row])
        else:
            with self._file.open("a", newline="", encoding="utf-8") as stream:
                csv.DictWriter(stream, self._columns).writerow(row)
        if self._writer is not None:
            for key, value in values.items():
                self._writer.add_scalar(key, value, step)

    def _rewrite(self, rows: list[dict[str, Any]]) -> None:
        partial = self._file.with_suffix(".partial")
        with partial.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, self._columns)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(partial, self._file)


def _read(file: Path) -> tuple[list[str], list[dict[str, Any]]]:
    if not file.is_file():
        return [], []
    with file.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
        return list(reader.fieldnames or []), rows


def _is_at_most(row: dict[str, Any], start: int, columns: list[str]) -> bool:
    """A row that was cut off as it was written, when the run was killed, lacks fields or belongs to a later step."""
    return None not in (row[column] for column in columns) and int(row["step"]) <= start


def _tensorboard(folder: Path, start: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1)
