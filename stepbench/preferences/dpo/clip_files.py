"""Where the clips of a study are as files: the masters in run folders where these are at hand, else the study's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stepbench.canonical import sha256_file
from stepbench.errors import UsageError
from stepbench.runs.folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class ClipOnDisk:
    """A clip of a pair.

    Attributes:
        path: The file.
        sha256: Of its bytes.
        kind: `master`, as it was generated, or `study`, as annotators saw it: compressed for browsers.
    """

    path: Path
    sha256: str
    kind: Literal["master", "study"]


class ClipFinder:
    """Finds clips, each hashed once.

    Args:
        study_folder: What relative paths in votes are relative to.
        runs: Folders of runs, and run folders themselves.
    """

    def __init__(self, study_folder: Path, runs: Sequence[Path] = ()) -> None:
        self._study = study_folder
        self._folders = {folder.name: folder for place in runs for folder in _run_folders(place)}
        self._samples: dict[str, dict[str, dict[str, Any]]] = {}
        self._found: dict[tuple[str, str], ClipOnDisk] = {}

    def find(self, clip: Mapping[str, Any]) -> ClipOnDisk:
        """The file of one clip.

        Args:
            clip: `clip`, `sha256`, `run` and `sample_key`, as in `PreferredPair.chosen`.

        Raises:
            UsageError: The file is not there, or is not the one that was voted on.
        """
        key = (clip["run"], clip["sample_key"] or clip["clip"])
        if key not in self._found:
            self._found[key] = self._master(clip) or self._of_study(clip)
        return self._found[key]

    def _master(self, clip: Mapping[str, Any]) -> ClipOnDisk | None:
        folder = self._folders.get(clip["run"])
        if folder is None:
            return None
        if clip["run"] not in self._samples:
            self._samples[clip["run"]] = RunFolder(folder).read_samples()
        row = self._samples[clip["run"]].get(clip["sample_key"])
        path = folder / row["clip"] if row and row.get("clip") else None
        if path is None or not path.is_file():
            return None
        sha256 = sha256_file(path)
        if row and row.get("clip_sha256") not in (None, sha256):
            raise UsageError(
                f"{path} is not the clip that was voted on: its sha256 is {sha256}", hint="restore the run"
            )
        return ClipOnDisk(path=path, sha256=sha256, kind="master")

    def _of_study(self, clip: Mapping[str, Any]) -> ClipOnDisk:
        path = self._study / clip["clip"]
        if not path.is_file():
            raise UsageError(
                f"no clip {clip['clip']} in {self._study}, and no run {clip['run']!r} with it",
                hint="--runs FOLDER says where the runs are",
            )
        sha256 = sha256_file(path)
        # The study names its copies by their hashes.
        _refuse_change(path, sha256, path.stem if _HASH.fullmatch(path.stem) else "")
        return ClipOnDisk(path=path, sha256=sha256, kind="study")


_HASH = re.compile(r"[0-9a-f]{32}")


def _refuse_change(path: Path, sha256: str, expected: str) -> None:
    if not sha256.startswith(expected):
        raise UsageError(
            f"{path} is not the clip that was voted on: its sha256 is {sha256[:12]}..., not {expected[:12]}...",
            hint="restore the file",
        )


def _run_folders(place: Path) -> list[Path]:
    if (place / "run.json").is_file():
        return [place.resolve()]
    return [path.parent.resolve() for path in sorted(place.glob("*/run.json"))]
