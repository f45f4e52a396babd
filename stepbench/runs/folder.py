"""The files of a run folder: where each one is, how it is read, and how it is replaced atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_json
from stepbench.errors import RunFolderError
from stepbench.runs.feature_store import FeatureStore
from stepbench.runs.journal import read_journal, saving

SCHEMA = 1
"""Version of the run folder's format, written to `run.json`; readers refuse what they do not know."""


_OF_INFO = {
    **dict.fromkeys(("run_id", "status", "plan_hash", "created_at"), str),
    **dict.fromkeys(("generator", "suite", "settings", "metric_cards"), dict),
    "seeds": list,
}
"""What every reader of `run.json` relies on."""

_OF_SAMPLES = ("sample_key", "outcome", "attempt")
_OF_SCORES = ("value", "n", "status", "error")


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
            for row in _rows_with(_OF_SAMPLES, path):
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
            yield from _rows_with(_OF_SCORES, path)

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
        wrong = [name for name, kind in _OF_INFO.items() if not isinstance(info.get(name), kind)]
        if wrong:
            raise RunFolderError(
                f"{self.info}: {', '.join(wrong)} missing or of another kind", hint="restore it from a copy"
            )
        return info

    def read_plan(self, info: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of `plan.jsonl`, which are those that `run.json` was written for.

        Raises:
            RunFolderError: It is missing, or lines were lost, added or changed: the denominator would be another.
        """
        if not self.plan.is_file():
            raise RunFolderError(f"{self.plan} is missing", hint="run the same command again to plan anew")
        rows = read_journal(self.plan)
        if sha256_json({"suite": info["suite"].get("hash"), "samples": rows}) != info["plan_hash"]:
            raise RunFolderError(
                f"{self.plan} is not the plan of run.json: {len(rows)} samples that do not give plan hash "
                f"{info['plan_hash'][:12]}",
                hint="restore it from a copy, or delete it and run the same command again to plan anew",
            )
        return rows


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


def _rows_with(names: Sequence[str], path: Path) -> list[dict[str, Any]]:
    """The rows of a journal, all of which have these fields. Raises `RunFolderError` naming the line of another."""
    rows = read_journal(path)
    for number, row in enumerate(rows, start=1):
        if not all(name in row for name in names):
            raise RunFolderError(
                f"{path}:{number}: a row with {', '.join(names)} was expected, got {row!r:.200}",
                hint="restore the file from a copy, or delete that line to redo it",
            )
    return rows


def _standing(row: dict[str, Any]) -> tuple[int, bool]:
    # Of two shards that made the same sample, the one that succeeded counts.
    return row["attempt"], row["outcome"] != "failed"


def _stands(row: dict[str, Any]) -> bool:
    # A score that is there is not undone by a later failure on the same clip.
    return row["status"] == "ok"


def _escape(text: str) -> str:
    return "".join(f"[{character}]" if character in "[]*?" else character for character in text)
