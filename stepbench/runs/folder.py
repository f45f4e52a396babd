"""The files of a run folder: where each one is, how it is replaced atomically, and who may write."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stepbench.errors import RunFolderError
from stepbench.runs.journal import read_journal, saving

SCHEMA = 1
"""Version of the run folder's format, written to `run.json`; readers refuse what they do not know."""


class RunFolder:
    """Paths inside one run folder. Making the object touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.info = path / "run.json"
        self.plan = path / "plan.jsonl"
        self.prompts = path / "prompts.jsonl"
        self.summary = path / "summary.json"
        self.scores = path / "scores"
        self.table = path / "scores.parquet"
        self.clips = path / "clips"
        self.checksums = path / "SHA256SUMS"

    def samples(self, shard: str = "") -> Path:
        """The sample journal, or that of one shard such as `1-of-4`."""
        return self.path / (f"samples-{shard}.jsonl" if shard else "samples.jsonl")

    def score_journal(self, metric_id: str, shard: str = "") -> Path:
        """The score journal of one metric, or that of one shard."""
        return self.scores / (f"{metric_id}#{shard}.jsonl" if shard else f"{metric_id}.jsonl")

    def read_samples(self) -> dict[str, dict[str, Any]]:
        """sample_key -> the row of its last attempt, over the journals of all shards."""
        rows: dict[str, dict[str, Any]] = {}
        for path in [*sorted(self.path.glob("samples-*.jsonl")), self.samples()]:
            for row in read_journal(path):
                known = rows.get(row["sample_key"])
                if known is None or _standing(row) >= _standing(known):
                    rows[row["sample_key"]] = row
        return rows

    def read_scores(self, metric_id: str) -> dict[str, dict[str, Any]]:
        """sample_key -> its last score row of one metric, over the journals of all shards."""
        rows: dict[str, dict[str, Any]] = {}
        for path in [*sorted(self.scores.glob(f"{_escape(metric_id)}#*.jsonl")), self.score_journal(metric_id)]:
            for row in read_journal(path):
                known = rows.get(row["sample_key"])
                same_clip = known is not None and known["clip_sha256"] == row["clip_sha256"]
                if not (same_clip and known["status"] == "ok" and row["status"] != "ok"):
                    rows[row["sample_key"]] = row
        return rows

    def read_info(self) -> dict[str, Any]:
        """The parsed `run.json`.

        Raises:
            RunFolderError: It is missing, not JSON, or of a schema this version does not know.
        """
        if not self.info.is_file():
            raise RunFolderError(
                f"{self.path} is no run folder: run.json is missing", hint="`stepbench list runs` lists them"
            )
        try:
            info = json.loads(self.info.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunFolderError(f"{self.info}: not JSON: {error}", hint="restore it from a copy") from error
        if info.get("schema") != SCHEMA:
            raise RunFolderError(
                f"{self.info}: schema {info.get('schema')!r}, this version reads {SCHEMA}",
                hint="use the stepbench version that wrote the run",
            )
        return info

    @contextmanager
    def writing(self, shard: str = "") -> Iterator[None]:
        """Hold the run (or one shard of it) against a second writer; a killed writer lets go by itself.

        Raises:
            RunFolderError: Another process is writing.
            IncompleteError: The folder cannot be written.
        """
        lock = self.path / f".writing{'-' + shard if shard else ''}"
        with saving(self.path):
            self.clips.mkdir(parents=True, exist_ok=True)
            self.scores.mkdir(exist_ok=True)
            handle = lock.open("w")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunFolderError(
                    f"another process is writing {self.path}", hint="wait for it, or give this run another --run-id"
                ) from error
            yield


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step: a reader sees the old or the new file, never half of one.

    Raises:
        IncompleteError: The disk is full or the folder cannot be written; the old file stays.
    """
    with saving(path):
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("w", encoding="utf-8") as handle:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _standing(row: dict[str, Any]) -> tuple[int, bool]:
    # Of two shards that made the same sample, the one that succeeded counts.
    return row["attempt"], row["outcome"] != "failed"


def _escape(text: str) -> str:
    return "".join(f"[{character}]" if character in "[]*?" else character for character in text)
