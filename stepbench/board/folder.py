"""The files of a board folder, and how a new board takes the place of the old one in one step.

    board.json              names the data folder in force; replaced atomically
    data-<digest>/          tables of one build: runs, summary, pairs, covariances (Parquet); tables, cards, advisories,
                            gates, studies (JSON)
    parts/<digest>/         one run: run.json, samples.parquet, scores.parquet; kept from build to build
    pairs/<digest>/         two runs of one table compared; kept from build to build
    clips/<2 hex>/<sha256>.mp4   previews under neutral names, hard-linked from the run folders

Data folders and parts are never changed once they have their name, so a page that is being drawn from the old board
stays whole while a new one is built.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stepbench.errors import StepbenchError
from stepbench.runs.folder import write_atomically
from stepbench.runs.journal import saving

SCHEMA = 3
"""Version of the board's format; readers refuse what they do not know, and builders build it anew."""


class BoardError(StepbenchError):
    """A board that is missing, cannot be read, or must not be written where it was asked for."""


class BoardFolder:
    """Paths inside one board folder. Making the object touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pointer = path / "board.json"
        self.parts = path / "parts"
        self.pairs = path / "pairs"
        self.clips = path / "clips"

    def read_pointer(self) -> dict[str, Any]:
        """The parsed `board.json`.

        Raises:
            BoardError: It is missing, not JSON, or of a schema this version does not know.
        """
        if not self.pointer.is_file():
            raise BoardError(f"no board in {self.path}", hint=f"stepbench leaderboard build -o {self.path}")
        try:
            pointer = json.loads(self.pointer.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BoardError(f"{self.pointer}: not JSON: {error}", hint="build the board again") from error
        schema = pointer.get("schema") if isinstance(pointer, dict) else None
        if schema != SCHEMA:
            raise BoardError(
                f"{self.pointer}: schema {schema!r}, this version reads {SCHEMA}", hint="build the board again"
            )
        return pointer

    @contextmanager
    def building(self) -> Iterator[None]:
        """Hold the board against a second builder.

        Raises:
            BoardError: The folder holds something else than a board, or another process is building it.
            IncompleteError: The folder cannot be written.
        """
        if self.path.is_dir() and not self.pointer.exists():
            strangers = [
                entry.name
                for entry in self.path.iterdir()
                if entry.name not in ("parts", "pairs", "clips") and not entry.name.startswith(("data-", "."))
            ]
            if strangers:
                raise BoardError(
                    f"{self.path} holds {strangers[0]!r} and no board",
                    hint="give -o a new folder, or one that holds a board",
                )
        with saving(self.path):
            self.parts.mkdir(parents=True, exist_ok=True)
            self.pairs.mkdir(exist_ok=True)
            self.clips.mkdir(exist_ok=True)
            handle = (self.path / ".building").open("w")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BoardError(f"another process is building {self.path}", hint="wait for it to end") from error
            yield

    def publish(self, pointer: Mapping[str, Any]) -> None:
        """Put a board in force: a reader sees the old one or the new one, never a mixture."""
        text = json.dumps({"schema": SCHEMA, **pointer}, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(self.pointer, text + "\n")

    def sweep(
        self, *, data: Iterable[str], parts: Iterable[str], pairs: Iterable[str] | None, clips: Iterable[str]
    ) -> None:
        """Remove data folders, parts, pairs and clips that none of the given names stands for; None keeps all pairs."""
        kept = {self.path / name for name in data}
        kept |= {self.parts / name for name in parts}
        kept |= set(self.pairs.iterdir()) if pairs is None else {self.pairs / name for name in pairs}
        wanted = {self.path / name for name in clips}
        with saving(self.path):
            folders = [*self.path.glob("data-*"), *self.path.glob(".data-*.tmp")]
            for folder in [*folders, *self.parts.iterdir(), *self.pairs.iterdir()]:
                if folder not in kept:
                    shutil.rmtree(folder)
            for clip in self.clips.glob("*/*"):
                if clip not in wanted:
                    clip.unlink()


@contextmanager
def folder_in_one_step(target: Path) -> Iterator[Path]:
    """A scratch folder that becomes `target` when the block ends well, and disappears when it does not.

    Raises:
        IncompleteError: The disk is full or the place cannot be written.
    """
    scratch = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with saving(target):
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            yield scratch
            shutil.rmtree(target, ignore_errors=True)
            scratch.rename(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
