"""Who may write a run folder: one writer of the whole run, or shards side by side, whose last one finishes it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

from stepbench.errors import RunFolderError
from stepbench.runs.folder import RunFolder
from stepbench.runs.journal import saving


class Writer:
    """A process's right to write a run. Locks are the system's, so a killed writer lets go by itself."""

    def __init__(self, shard: str, run: TextIO, turn: TextIO) -> None:
        self.shard = shard
        self._run = run
        self._turn = turn

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Short work that shards must do one after another: wait for the others, then hold them off."""
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextmanager
    def finishing(self) -> Iterator[bool]:
        """End the right to write; inside, True if nobody else is at work, so that final files may be written."""
        with self.turn():
            alone = _is_locked(self._run, fcntl.LOCK_EX)
            try:
                yield alone
            finally:
                fcntl.flock(self._run, fcntl.LOCK_UN)


@contextmanager
def writing(folder: RunFolder, shard: str = "") -> Iterator[Writer]:
    """Hold the run, or one shard of it, against a second writer. The folder is made if needed.

    Raises:
        RunFolderError: Another process is writing the run, or this shard of it.
        IncompleteError: The folder cannot be written.
    """
    with ExitStack() as files:

        def lock_file(name: str) -> TextIO:
            return files.enter_context((folder.path / name).open("a"))

        with saving(folder.path):
            folder.clips.mkdir(parents=True, exist_ok=True)
            folder.scores.mkdir(exist_ok=True)
            run, turn = lock_file(".writing"), lock_file(".turn")
            own = lock_file(f".writing-{shard}") if shard else None
        writer = Writer(shard, run, turn)
        with saving(folder.path), writer.turn():
            free = _is_locked(run, fcntl.LOCK_SH if shard else fcntl.LOCK_EX)
            if not free or not (own is None or _is_locked(own, fcntl.LOCK_EX)):
                raise RunFolderError(
                    f"another process is writing {folder.path}", hint="wait for it, or give this run another --run-id"
                )
        yield writer


def _is_locked(handle: TextIO, mode: int) -> bool:
    try:
        fcntl.flock(handle, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
