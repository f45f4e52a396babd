"""The files of a run folder: where each one is, how it is read, and how it is replaced atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stepbench.errors import RunFolderError
from stepbench.runs.feature_store import FeatureStore
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
        self.features = path / "features"
        self.reviews = path / "reviews.jsonl"
        self.checksums = path / "SHA256SUMS"

    def samples(self, shard: str = "") -> Path:
        """The sample journal, or that of one shard such as `1-of-4`."""
        return self.path / (f"samples-{shard}.jsonl" if shard else "samples.jsonl")

    def score_journal(self, metric_id: str, shard: str = "") -> Path:
        """The score journal of one metric, or that of one shard."""
        return self.scores / (f"{metric_id}#{shard}.jsonl" if shard else f"{metric_id}.jsonl")

    def feature_store(self, feature_id: str) -> FeatureStore:
        """The features of one backbone."""
        return FeatureStore(self.features / feature_id)

    def reference_list(self, reference_hash: str) -> Path:
        """The clips of a reference set, by the hash that set metrics carry in their ids."""
        return self.features / f"reference-{reference_hash[:8]}.json"

    def sample_shards(self) -> list[Path]:
        """The sample journals of shards that are not yet taken in."""
        return sorted(self.path.glob("samples-*.jsonl"))

    def score_shards(self, metric_id: str) -> list[Path]:
        """The score journals that shards left for one metric."""
        return sorted(self.scores.glob(f"{_escape(metric_id)}#*.jsonl"))

    def read_samples(self) -> dict[str, dict[str, Any]]:
        """sample_key -> the row of its last attempt, over the journals of all shards."""
        rows: dict[str, dict[str, Any]] = {}
        # Shard journals come last: a writer of the whole run takes them in first, so what stands in them is newer.
        for path in [self.samples(), *self.sample_shards()]:
            for row in read_journal(path):
                known = rows.get(row["sample_key"])
                if known is None or _standing(row) >= _standing(known):
                    rows[row["sample_key"]] = row
        return rows

    def read_scores(self, metric_id: str) -> dict[str, dict[str, Any]]:
        """sample_key, or set_key -> its last score row of one metric, over the journals of all shards."""
        rows: dict[str, dict[str, Any]] = {}
        for row in self._score_rows(metric_id):
            key = row.get("sample_key") or row.get("set_key")
            if key is None:
                continue
            known = rows.get(key)
            if known is None or known.get("clip_sha256") != row.get("clip_sha256") or _stands(row) >= _stands(known):
                rows[key] = row
        return rows

    def read_reference_failures(self, metric_id: str) -> dict[str, str]:
        """sha256 of a reference clip -> why it has no features for a set metric."""
        rows = [row for row in self._score_rows(metric_id) if "reference_clip" in row]
        return {row["reference_clip"]: row["error"] for row in rows}

    def _score_rows(self, metric_id: str) -> Iterator[dict[str, Any]]:
        for path in [self.score_journal(metric_id), *self.score_shards(metric_id)]:
            yield from read_journal(path)

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
        schema = info.get("schema") if isinstance(info, dict) else None
        if schema != SCHEMA:
            raise RunFolderError(
                f"{self.info}: schema {schema!r}, this version reads {SCHEMA}",
                hint="use the stepbench version that wrote the run",
            )
        return info


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


def _stands(row: dict[str, Any]) -> bool:
    # A score that is there is not undone by a later failure on the same clip.
    return row["status"] == "ok"


def _escape(text: str) -> str:
    return "".join(f"[{character}]" if character in "[]*?" else character for character in text)
