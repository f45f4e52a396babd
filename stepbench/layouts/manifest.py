"""Manifests: one row per clip that says which prompt and seed it belongs to, as JSON lines or CSV."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stepbench.errors import UsageError
from stepbench.suites.importers.source import read_text, refuse_problems
from stepbench.suites.importers.tabular import csv_records, json_records

MANIFEST_NAMES = ("manifest.jsonl", "manifest.csv")
HEADER_KEY = "manifest"
"""A first JSON line with this key names the model: {"manifest": 1, "name": ...}."""
HEADER_VERSION = 1
MAX_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """One clip, or the note that one is missing.

    Attributes:
        where: `file:line`, for messages.
        prompt_id: The suite's id of the prompt; None where the row only has its text.
        text: The prompt's text, which finds the prompt in a suite that does not know the id.
        seed: Seed or sample index, 0 or more.
        path: Relative to the manifest's folder, or absolute; None if there is no clip.
        sha256: Hex hash of the clip's bytes, if known.
        status: What a scan found, such as `found` or `missing`; empty in a manifest written by hand.
        reason: Why the status is not `found`.
    """

    where: str
    prompt_id: str | None
    text: str | None
    seed: int
    path: str | None
    sha256: str | None = None
    status: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest file.

    Attributes:
        path: The file; paths of clips are relative to its folder.
        name: Name of the model, if the first line gives one.
    """

    path: Path
    rows: tuple[ManifestRow, ...]
    name: str | None = None
    header: dict[str, Any] = field(default_factory=dict)

    def clip(self, row: ManifestRow) -> Path | None:
        """Where the row's clip lies."""
        return None if row.path is None else self.path.parent / row.path


def find_manifest(path: Path) -> Path:
    """`path` itself, or the manifest in the folder `path`.

    Raises:
        UsageError: There is none.
    """
    if path.is_file():
        return path
    for name in MANIFEST_NAMES:
        if (path / name).is_file():
            return path / name
    raise UsageError(
        f"no manifest at {path}: neither a file nor a folder with {' or '.join(MANIFEST_NAMES)}",
        hint="`stepbench import DIR --layout LAYOUT -t SUITE` makes one from a folder of clips",
    )


def read_manifest(path: str | Path) -> Manifest:
    """The manifest at `path`, a file or a folder that holds one.

    Columns or keys: `prompt_id` or `prompt` (the text), `path`, `seed` (0 if absent), `sha256`, `status`, `reason`.
    Others are left alone.

    Raises:
        UsageError: There is no manifest.
        SuiteError: Rows that cannot be used, each with file and line.
    """
    path = find_manifest(Path(path))
    text = read_text(path)
    header: dict[str, Any] = {}
    if path.suffix.lower() == ".csv":
        records: list[tuple[int, Any]] = [
            (line, {key: cell for key, cell in cells.items() if cell != ""})
            for line, cells in csv_records(text, path, ("path",))
        ]
    else:
        records = json_records(text, path)
        if records and isinstance(records[0][1], dict) and HEADER_KEY in records[0][1]:
            header = records.pop(0)[1]
    problems = [] if records else [f"{path}:1: no rows"]
    problems += _header_problems(header, path)
    rows = []
    for line, record in records:
        row, problem = _row(record, f"{path}:{line}")
        if row is None:
            problems.append(f"{path}:{line}: {problem}")
        else:
            rows.append(row)
    refuse_problems(path, problems + _repeated(rows))
    return Manifest(path=path, rows=tuple(rows), name=header.get("name"), header=header)


def _header_problems(header: dict[str, Any], path: Path) -> list[str]:
    problems = []
    if header and header[HEADER_KEY] != HEADER_VERSION:
        problems.append(f"{path}:1: manifest version {header[HEADER_KEY]!r}, this program reads {HEADER_VERSION}")
    if header and not isinstance(header.get("name", ""), str | None):
        problems.append(f"{path}:1: name must be text, got {header['name']!r:.80}")
    return problems


def _row(record: Any, where: str) -> tuple[ManifestRow | None, str]:
    if not isinstance(record, dict):
        return None, f"a row is an object, got {record!r:.80}"
    text = record.get("prompt", record.get("text"))
    labels = {
        "prompt_id": record.get("prompt_id"),
        "text": text,
        "path": record.get("path"),
        "sha256": record.get("sha256"),
    }
    for key, value in labels.items():
        if not isinstance(value, str | None):
            return None, f"{key} must be text, got {value!r:.80}"
    if not labels["prompt_id"] and not text:
        return None, "no `prompt_id` and no `prompt`"
    seed = _seed(record.get("seed", 0))
    if seed is None:
        return None, f"seed must be a whole number from 0 up, got {record['seed']!r:.80}"
    if labels["path"] is not None and (not labels["path"].strip() or "\0" in labels["path"]):
        return None, f"path must name a file, got {labels['path']!r:.80}"
    status, reason = str(record.get("status") or ""), str(record.get("reason") or "")
    return ManifestRow(where=where, seed=seed, status=status, reason=reason, **labels), ""


def _seed(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_SEED:
        return None
    return value


def _repeated(rows: list[ManifestRow]) -> list[str]:
    first: dict[tuple[str | None, str | None, int], ManifestRow] = {}
    problems = []
    for row in rows:
        key = (row.prompt_id, None if row.prompt_id else row.text, row.seed)
        earlier = first.setdefault(key, row)
        if earlier is not row:
            problems.append(
                f"{row.where}: prompt {row.prompt_id or row.text!r} seed {row.seed} also at {earlier.where}"
            )
    return problems
