"""Append-only JSONL files that survive a kill at any moment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from stepbench.errors import IncompleteError, RunFolderError


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
        data = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows).encode("utf-8")
        with saving(self.path):
            try:
                written = 0
                while written < len(data):
                    written += os.write(self._descriptor, data[written:])
                os.fsync(self._descriptor)
            except OSError:
                # Half a row would hide the rows of a later process behind it.
                os.ftruncate(self._descriptor, self._size)
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


def read_journal(path: Path) -> list[dict[str, Any]]:
    """All whole rows of a journal; a torn last line is ignored, a missing file is empty.

    Raises:
        RunFolderError: A line in the middle is not JSON; file and line are named.
    """
    if not path.exists():
        return []
    data = path.read_bytes()
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    try:
        # One parse of the whole file is several times faster than one per line.
        return json.loads(b"[" + b",".join(lines) + b"]")
    except ValueError:
        return [_parse(path, number, line) for number, line in enumerate(lines, start=1)]


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        return json.loads(line)
    except ValueError as error:
        raise RunFolderError(
            f"{path}:{number}: not JSON: {error}", hint="restore the file from a copy, or delete that line to redo it"
        ) from error


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
