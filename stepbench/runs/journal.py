"""Append-only JSONL files that survive a kill at any moment."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from stepbench.errors import IncompleteError, RunFolderError

FLUSH_SECONDS = 0.2
"""Rows are saved at once, but not more often than this: a kill redoes at most so much work."""


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def json_line(row: Mapping[str, Any]) -> str:
    """The row as a line of a journal. NaN and infinity raise `ValueError`."""
    return _ENCODER.encode(row) + "\n"


class Journal:
    """Appends rows to a JSONL file; a row is done once `append` has returned, and then it stays.

    On opening, a torn last line (left by a kill in mid-write) is cut off: it was never reported as done.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with saving(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            self._size = _size_of_whole_lines(self._descriptor)
            os.ftruncate(self._descriptor, self._size)
            os.lseek(self._descriptor, 0, os.SEEK_END)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write all rows, then fsync once.

        Raises:
            IncompleteError: The disk is full or the file cannot be written; rows appended before are kept.
        """
        text = "".join(json_line(row) for row in rows)
        # An error text may hold a file name that is not UTF-8.
        data = text.encode("utf-8", errors="replace")
        with saving(self.path):
            try:
                written = 0
                while written < len(data):
                    written += os.write(self._descriptor, data[written:])
                os.fsync(self._descriptor)
            except OSError:
                # Half a row would hide the rows that are appended behind it.
                os.ftruncate(self._descriptor, self._size)
                os.lseek(self._descriptor, self._size, os.SEEK_SET)
                raise
            self._size += len(data)

    def close(self) -> None:
        """Close the file; the rows are on disk already."""
        os.close(self._descriptor)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RowBuffer:
    """Gathers rows that come faster than a disk can sync, and saves them in one go.

    Args:
        save: Takes rows and has them on disk when it returns.
    """

    def __init__(self, save: Callable[[list[Mapping[str, Any]]], None]) -> None:
        self._save = save
        self._rows: list[Mapping[str, Any]] = []
        self._seconds = 0.0
        self._last = 0.0

    def add(self, *rows: Mapping[str, Any], seconds: float) -> None:
        """Take the rows of a piece of work that lasted `seconds`; save all that wait unless it is a moment's work."""
        self._rows += rows
        self._seconds += seconds
        if self._seconds >= FLUSH_SECONDS or time.monotonic() - self._last >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Save all rows that wait."""
        rows, self._rows, self._seconds = self._rows, [], 0.0
        if rows:
            self._save(rows)
        self._last = time.monotonic()

    def __enter__(self) -> RowBuffer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Also after an interruption: what is made is kept.
        self.flush()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """All whole rows of a journal; a torn last line is ignored, a missing file is empty.

    Raises:
        RunFolderError: A line in the middle is no JSON object; file and line are named.
        IncompleteError: Something that cannot be read stands in its place.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise IncompleteError(
            f"cannot read {path}: {error.strerror}", hint="mend it, then run the same command again"
        ) from error
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    try:
        # One parse of the whole file is several times faster than one per line.
        rows = json.loads(b"[" + b",".join(lines) + b"]")
    except ValueError:
        rows = []
    if len(rows) == len(lines) and all(isinstance(row, dict) for row in rows):
        return rows
    return [_parse(path, number, line) for number, line in enumerate(lines, start=1)]


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        row, problem = None, f"not JSON: {error}"
    else:
        problem = f"an object was expected, got {type(row).__name__}"
    if not isinstance(row, dict):
        raise RunFolderError(
            f"{path}:{number}: {problem}", hint="restore the file from a copy, or delete that line to redo it"
        )
    return row


def _size_of_whole_lines(descriptor: int) -> int:
    end = os.lseek(descriptor, 0, os.SEEK_END)
    block = 1 << 16
    while end > 0:
        start = max(0, end - block)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


class saving:  # noqa: N801 - reads as a clause: `with saving(path):`
    """Turns any `OSError` inside the block into an `IncompleteError` (exit 3) that names the path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise IncompleteError(
                f"cannot save {self._path}: {error.strerror or error}",
                hint="free space or mend the permissions, then run the same command again: what is saved is kept",
            ) from error
