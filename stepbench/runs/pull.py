"""Bring a run back from its copy at another address, to look at it or to go on with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stepbench.canonical import sha256_file
from stepbench.errors import RunFolderError
from stepbench.progress import track
from stepbench.records import SAFE_ID
from stepbench.runs.folder import RunFolder, write_atomically
from stepbench.runs.journal import saving
from stepbench.runs.remote import Remote
from stepbench.runs.writer import writing


@dataclass(frozen=True)
class PulledRun:
    """What came.

    Attributes:
        path: The run folder.
        files: How many files it has.
        changed: Names of clips that are missing there, or are not those of their rows: the run makes them anew.
    """

    path: Path
    files: int
    changed: tuple[str, ...]


def pull_run(address: str, out: Path) -> PulledRun:
    """Copy a run into `out`, under its own name. `run.json` comes last; without it the same call goes on.

    Args:
        address: Of the run's copy.
        out: Folder of runs.

    Raises:
        UsageError: No such protocol.
        RunFolderError: There is no run, its name is unsafe, or it is here already.
        IncompleteError: Something cannot be read there, or written here.
    """
    remote = Remote(address)
    there = remote.sizes()
    if "run.json" not in there:
        raise RunFolderError(f"there is no run at {address}", hint="give the address of the run itself: .../RUN-ID")
    info = remote.read("run.json").decode("utf-8")
    run_id = json.loads(info).get("run_id")
    if not isinstance(run_id, str) or not SAFE_ID.fullmatch(run_id):
        raise RunFolderError(f"{address}: unsafe run id {run_id!r}", hint="it was not written by stepbench")
    folder = RunFolder(out / run_id)
    if folder.info.exists():
        raise RunFolderError(f"{folder.path} is here already", hint="give another -o, or remove that folder")
    names = [name for name in there if name != "run.json"]
    unsafe = [name for name in names if any(part.startswith(".") for part in PurePosixPath(name).parts)]
    if unsafe:
        raise RunFolderError(f"{address}: unsafe file name {unsafe[0]!r}", hint="it was not written by stepbench")
    with writing(folder):
        for name in track(names, total=len(names), description="pulling"):
            target = folder.path / name
            # Clips of an earlier call are checked below; everything else is small.
            if not (name.startswith("clips/") and target.is_file() and target.stat().st_size == there[name]):
                remote.fetch(name, target)
        changed = _changed(folder)
        for name in changed:
            with saving(folder.path):
                (folder.path / name).unlink(missing_ok=True)
        write_atomically(folder.info, info)
    return PulledRun(path=folder.path, files=len(there) - len(changed), changed=changed)


def _changed(folder: RunFolder) -> tuple[str, ...]:
    rows = folder.read_samples().values()
    made = [row for row in rows if row["outcome"] == "ok" and not row.get("master_dropped")]
    return tuple(row["clip"] for row in made if not _is_same(folder.path / row["clip"], row["clip_sha256"]))


def _is_same(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_file(path) == sha256
