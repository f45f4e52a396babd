"""What was fetched: a JSON file beside it with address, revision, and the sha256 of every file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file
from stepbench.errors import UsageError
from stepbench.runs.folder import write_atomically


@dataclass(frozen=True, kw_only=True)
class PullRecord:
    """The content of `<name>.json`.

    Attributes:
        address: Where it came from.
        revision: The commit, of a hub's page.
        licence: As the catalogue says.
        pulled_at: ISO time.
        converted: Names of files that were pickled where they came from, and what they were turned into.
        files: Path below the folder, or the file's own name -> `sha256` and `size`.
    """

    name: str
    address: str
    licence: str
    pulled_at: str
    files: Mapping[str, Mapping[str, Any]]
    revision: str = ""
    converted: Mapping[str, str] | None = None


@dataclass(frozen=True)
class FileReport:
    """One file of what lies on this machine.

    Attributes:
        finding: `ok`, `changed`, `missing` or `not recorded`.
        sha256: As it is now, empty where it is missing.
    """

    file: str
    finding: str
    sha256: str
    expected: str = ""


def record_path(path: Path) -> Path:
    """Where the record of a file or folder lies."""
    return path.with_name(f"{path.name}.json")


def write_record(path: Path, record: PullRecord) -> None:
    """Write the record beside what it is about.

    Raises:
        IncompleteError: It cannot be written.
    """
    write_atomically(record_path(path), json.dumps(asdict(record), indent=2, ensure_ascii=False) + "\n")


def read_record(path: Path) -> PullRecord | None:
    """The record of a file or folder, None where there is none.

    Raises:
        UsageError: There is one that cannot be read.
    """
    beside = record_path(path)
    if not beside.is_file():
        return None
    try:
        return PullRecord(**json.loads(beside.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{beside} is no record of a pull: {error}", hint="delete it and pull again") from error


def list_files(path: Path) -> dict[str, dict[str, Any]]:
    """Name -> sha256 and size of a file, or of all files below a folder."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return {_name(file, path): {"sha256": sha256_file(file), "size": file.stat().st_size} for file in files}


def compare(path: Path, expected: Mapping[str, Mapping[str, Any]]) -> list[FileReport]:
    """What lies at `path` against what should: every file of either."""
    found = list_files(path)
    reports = []
    for name in sorted({*found, *expected}):
        is_now = found.get(name, {}).get("sha256", "")
        wanted = expected.get(name, {}).get("sha256", "")
        finding = "missing" if not is_now else "not recorded" if not wanted else "ok" if is_now == wanted else "changed"
        reports.append(FileReport(name, finding, is_now, wanted))
    return reports


def _name(file: Path, path: Path) -> str:
    return file.name if file == path else file.relative_to(path).as_posix()
