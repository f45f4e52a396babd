"""A copy of a run at another address, kept up while the run grows: clips first, then the rows that name them."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from stepbench.errors import IncompleteError, UsageError
from stepbench.provenance import now
from stepbench.runs.folder import RunFolder, write_atomically
from stepbench.runs.journal import saving
from stepbench.runs.remote import Remote

COPY_SECONDS = 10.0
"""So often what is new goes there; less often where a look takes longer than a tenth of it."""

RECORD = "copies.json"
"""File of a run folder: address -> when it was last copied to, how many files, what went wrong. It stays here."""


class RunCopy:
    """A run folder and its copy. The run is written here alone; the copy can be continued from once it is pulled.

    Args:
        folder: May be missing as yet.
        address: Of the copy itself.
        plan_hash: Of the run.

    Raises:
        UsageError: Another run is there, or one that has clips which this folder lacks.
        EnvironmentUnfitError: Nothing can be read or written there.
    """

    def __init__(self, folder: RunFolder, address: str, plan_hash: str) -> None:
        self._folder, self._remote = folder, Remote(address)
        self._sent: dict[str, tuple[int, int]] = {}
        self._remote.require_writable()
        there = self._remote.sizes()
        if "run.json" in there and json.loads(self._remote.read("run.json"))["plan_hash"] != plan_hash:
            raise UsageError(f"{address} holds a run with another plan", hint="give another --run-id or --copy-to")
        own = _clips(folder.read_samples())
        known = _clips(_rows(self._remote, there))
        lacking = known.keys() - own.keys()
        if lacking:
            raise UsageError(
                f"{address} holds {len(lacking)} clips that {folder.path} lacks",
                hint=f"`stepbench pull {address} -o {folder.path.parent}` brings them here first",
            )
        for key, row in known.items():
            self._note_same(own[key], row, there)

    def _note_same(self, own: Mapping[str, Any], row: Mapping[str, Any], there: Mapping[str, int]) -> None:
        """Files of a clip that need not be sent: the same master, of the same size, and the preview made from it."""
        for name in {own["clip"], own.get("preview") or own["clip"]}:
            facts = _facts(self._folder.path / name)
            if own["clip_sha256"] == row["clip_sha256"] and facts and there.get(name) == facts[0]:
                self._sent[name] = facts

    def send(self, *, all_done: bool = False) -> int:
        """Bring the copy up to date, and return how many files it has.

        Args:
            all_done: Nobody writes the run any more: what is gone here goes there, too.

        Raises:
            IncompleteError: Something cannot be written; what was sent stays.
        """
        folder = self._folder
        # Read before the clips are listed: a row that is sent must not name a clip that is not.
        journals = {path: (_facts(path), _whole_lines(path)) for path in _journals(folder)}
        last = [folder.summary, folder.table, folder.checksums, folder.info]
        others = [path for path in _files(folder) if path not in (*journals, *last)]
        for path in others:
            self._send_file(path)
        for path, (facts, content) in journals.items():
            self._send_content(path, content, facts)
        for path in last:
            if path.is_file():
                self._send_content(path, path.read_bytes(), _facts(path))
        if all_done:
            kept = {self._name(path) for path in _files(folder)}
            for name in self._remote.sizes().keys() - kept:
                self._remote.remove(name)
                self._sent.pop(name, None)
        return len(self._sent)

    def _send_file(self, path: Path) -> None:
        name, facts = self._name(path), _facts(path)
        if facts is None or self._sent.get(name) == facts:
            return
        try:
            self._remote.send(path, name)
        except IncompleteError:
            if path.exists():
                raise
            # Removed meanwhile, as parts of features are.
            return
        self._sent[name] = facts

    def _send_content(self, path: Path, content: bytes, facts: tuple[int, int] | None) -> None:
        if facts and self._sent.get(self._name(path)) != facts:
            self._remote.write(self._name(path), content)
            self._sent[self._name(path)] = facts

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder.path).as_posix()

    def keep_up(self, stop: threading.Event) -> None:
        """Send what is new again and again."""
        patience = COPY_SECONDS
        while not stop.wait(patience):
            began = time.monotonic()
            with suppress(IncompleteError):  # the end tries again, and tells of it
                self.send()
            patience = max(COPY_SECONDS, 10 * (time.monotonic() - began))

    def end(self, *, all_done: bool) -> None:
        """Send the rest, and note in the run folder what came of it.

        Raises:
            IncompleteError: Something could not be sent.
        """
        failure = None
        try:
            self.send(all_done=all_done)
        except IncompleteError as error:
            failure = error
        record = self._folder.path / RECORD
        with saving(record):
            noted = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
        outcome = {"at": now(), "files": len(self._sent), "error": failure.message if failure else None}
        noted[self._remote.address] = outcome
        write_atomically(record, json.dumps(noted, indent=2, ensure_ascii=False) + "\n")
        if failure:
            raise failure


def copy_address(folder: str, run_id: str, shard: tuple[int, int] | None) -> str:
    """Where a run is copied to; a shard, which may have a run folder of its own, has a copy of its own."""
    part = f"-shard-{shard[0] % shard[1]}-of-{shard[1]}" if shard else ""
    return f"{folder.rstrip('/')}/{run_id}{part}"


@contextmanager
def copied(path: Path, address: str | None, plan_hash: str) -> Iterator[None]:
    """Inside, what is written to a run folder goes to an address, too; at the end all of it is there.

    Args:
        path: The run folder.
        address: None copies nothing.
        plan_hash: Of the run.

    Raises:
        UsageError: Another run is there, or one that has clips which this folder lacks.
        EnvironmentUnfitError: Nothing can be written there, which is known before any work is done.
        IncompleteError: Something could not be sent. The run itself is not touched by that.
    """
    if address is None:
        yield
        return
    copy, stop = RunCopy(RunFolder(path), address, plan_hash), threading.Event()
    thread = threading.Thread(target=copy.keep_up, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        _stop(thread, stop)
        if path.is_dir():
            # The machine may be about to go. The first error counts; this one stands in the record.
            with suppress(IncompleteError):
                copy.end(all_done=False)
        raise
    _stop(thread, stop)
    copy.end(all_done=True)


def _stop(thread: threading.Thread, stop: threading.Event) -> None:
    stop.set()
    thread.join()


def _files(folder: RunFolder) -> list[Path]:
    """All files of the run; locks, temporary files and the record of copies are none."""
    found = (path for path in sorted(folder.path.rglob("*")) if path.is_file() and path.name != RECORD)
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder.path).parts)]


def _journals(folder: RunFolder) -> list[Path]:
    return [path for path in _files(folder) if path.suffix == ".jsonl" and path not in (folder.plan, folder.prompts)]


def _whole_lines(path: Path) -> bytes:
    """A journal as it is now; the line that is being written belongs to the next look."""
    content = path.read_bytes() if path.is_file() else b""
    return content[: content.rfind(b"\n") + 1]


def _facts(path: Path) -> tuple[int, int] | None:
    """Size and time by which a changed file is known."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_size, facts.st_mtime_ns


def _clips(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {key: row for key, row in rows.items() if row["outcome"] == "ok"}


def _rows(remote: Remote, there: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """The sample rows of the copy."""
    with tempfile.TemporaryDirectory() as nowhere:
        for name in there:
            if fnmatch(name, "samples*.jsonl"):
                remote.fetch(name, Path(nowhere) / name)
        return RunFolder(Path(nowhere)).read_samples()
