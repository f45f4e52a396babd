"""`stepbench weights pull`: fetch weights by name, once, and write down what was fetched."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stepbench.canonical import sha256_file
from stepbench.errors import UsageError
from stepbench.provenance import now
from stepbench.runs.journal import saving
from stepbench.weights.catalogue import Weights, find
from stepbench.weights.fetch_file import fetch_file
from stepbench.weights.fetch_repository import fetch_repository
from stepbench.weights.record import PullRecord, compare, list_files, read_record, write_record


@dataclass(frozen=True)
class Pulled:
    """How a pull ended. `fetched` is False where everything was there already."""

    weights: Weights
    path: Path
    fetched: bool


def pull(name: str, *, say: Callable[[str], None]) -> Pulled:
    """Fetch weights into the weights folder; what is there is never overwritten.

    Args:
        name: Of the catalogue.
        say: Told, in one line, what is about to be downloaded, how large it is, and under which licence.

    Raises:
        UsageError: No such name, or other content lies at that place.
        EnvironmentUnfitError: The publisher cannot be reached.
        IncompleteError: The download broke off, is not what was expected, or cannot be saved.
    """
    weights = find(name)
    path = weights.path
    if path.exists():
        _check_present(weights, path)
        return Pulled(weights, path, fetched=False)

    def announce(size: int) -> None:
        told = f"{size / 1e6:,.1f} MB" if size else "size not told"
        say(f"{name}: {told} from {weights.address} to {path} (licence: {weights.licence})")

    with _alone(path):
        commit, converted = _fetch(weights, path, announce)
        record = PullRecord(
            name=name,
            address=weights.address,
            revision=commit,
            licence=weights.licence,
            pulled_at=now(),
            converted=converted or None,
            files=list_files(path),
        )
        write_record(path, record)
    return Pulled(weights, path, fetched=True)


def _fetch(weights: Weights, path: Path, announce: Callable[[int], None]) -> tuple[str, dict[str, str]]:
    if weights.repository:
        return fetch_repository(
            weights.repository, path, revision=weights.revision, whole_tree=weights.whole_tree, announce=announce
        )
    fetch_file(weights.address, path, sha256=weights.sha256, announce=announce)
    return "", {}


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two processes that wrote one partial file would spoil it."""
    with saving(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{path.name} is being pulled by another process", hint="wait for it") from error
        try:
            yield
        finally:
            Path(lock.name).unlink(missing_ok=True)


def _check_present(weights: Weights, path: Path) -> None:
    """Refuse to call other content these weights. What was put there by hand, unknown to all, is let be."""
    record = read_record(path)
    if record is not None:
        changed = [report.file for report in compare(path, record.files) if report.finding != "ok"]
        if changed:
            raise UsageError(
                f"{path} is not what was pulled: {', '.join(changed[:5])} changed, missing or added",
                hint="move it away and pull again; `stepbench weights verify` lists every file",
            )
    elif weights.sha256 and path.is_file():
        found = sha256_file(path)
        if found != weights.sha256:
            raise UsageError(
                f"{path} holds something else: its sha256 is {found}, expected {weights.sha256}",
                hint="move it away and pull again; nothing is overwritten",
            )
