"""The generation stage: what is missing is made, each clip committed before its journal row."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from stepbench.errors import IncompleteError
from stepbench.executors.local import Lost, run_tasks
from stepbench.generators.protocol import Generator
from stepbench.progress import track
from stepbench.runs.folder import RunFolder
from stepbench.runs.journal import Journal, saving
from stepbench.runs.plan import PlannedSample
from stepbench.runs.sample_worker import Keep, MadeSample, SampleTask, sample_worker

FLUSH_SECONDS = 0.2
"""Rows are saved at once, but at most every so often: a kill redoes at most this much of very fast work."""


def generate_missing(
    folder: RunFolder,
    samples: Sequence[PlannedSample],
    source: str | Generator,
    *,
    workers: int = 1,
    timeout: float | None = None,
    keep: Keep = "both",
    shard: str = "",
) -> None:
    """Generate every sample that has no success or refusal yet; failed ones are tried again.

    Args:
        samples: This shard's part of the plan.
        source: The generator's spec, or the generator itself when one process does the work.

    Raises:
        IncompleteError: Results cannot be saved. What was saved stays.
    """
    scratch_prefix = f".tmp-{shard or 'all'}-"
    _remove_leftovers(folder, scratch_prefix)
    done = folder.read_samples()
    tasks = list(_pending(folder, samples, done))
    make_worker = partial(sample_worker, source, folder.clips, scratch_prefix, keep, timeout)
    # Adapters that run a program end it themselves at the limit; the pool's own limit is the last resort.
    limit = timeout * 1.1 + 10 if timeout else None
    results = run_tasks(make_worker, tasks, workers=workers, timeout=limit)
    with Journal(folder.samples(shard)) as journal, RowBuffer(journal.append) as rows:
        for task, result in track(results, total=len(tasks), description="generating"):
            rows.add(_commit(folder, task, result))
    _remove_leftovers(folder, scratch_prefix)


class RowBuffer:
    """Gathers rows that come faster than a disk can sync, and saves them in one go."""

    def __init__(self, save: Callable[[list[dict[str, Any]]], None]) -> None:
        self._save = save
        self._rows: list[dict[str, Any]] = []
        self._last = 0.0

    def add(self, *rows: dict[str, Any]) -> None:
        """Take rows; save all that wait unless the last save was a moment ago."""
        self._rows += rows
        if time.monotonic() - self._last >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Save all rows that wait."""
        rows, self._rows = self._rows, []
        if rows:
            self._save(rows)
        self._last = time.monotonic()

    def __enter__(self) -> RowBuffer:
        return self

    def __exit__(self, *error: object) -> None:
        # Also after an interruption: what is made is kept.
        self.flush()


def _pending(
    folder: RunFolder, samples: Sequence[PlannedSample], done: Mapping[str, dict[str, Any]]
) -> Iterator[SampleTask]:
    planned = set()
    present = {entry.name for entry in folder.clips.iterdir()}
    for sample in samples:
        row = done.get(sample.key)
        if sample.key in planned or (row and _is_settled(row, present)):
            continue
        # Two prompts with the same text, settings and seed are one clip.
        planned.add(sample.key)
        yield SampleTask(
            key=sample.key,
            prompt_id=sample.prompt.id,
            text=sample.prompt.text,
            seed=sample.seed,
            settings=sample.settings,
            attempt=row["attempt"] + 1 if row else 1,
        )


def _is_settled(row: Mapping[str, Any], present: set[str]) -> bool:
    if row["outcome"] == "ok":
        return bool(row.get("master_dropped")) or row["clip"].removeprefix("clips/") in present
    return row["outcome"] == "refused"


def _commit(folder: RunFolder, task: SampleTask, result: MadeSample | IncompleteError | Lost) -> dict[str, Any]:
    """Give the clip its final name, then return the row that declares it done."""
    if isinstance(result, IncompleteError):
        raise result
    if isinstance(result, Lost):
        return {"sample_key": task.key, "outcome": "failed", "attempt": task.attempt, "error": result.reason}
    if result.scratch is not None:
        with saving(folder.clips):
            for name in result.files:
                (result.scratch / name).replace(folder.clips / name)
        shutil.rmtree(result.scratch, ignore_errors=True)
    return result.row


def _remove_leftovers(folder: RunFolder, scratch_prefix: str) -> None:
    """Scratch folders of a killed process. Another shard's are left alone: it may be at work."""
    for scratch in folder.clips.glob(f"{scratch_prefix}*"):
        shutil.rmtree(scratch, ignore_errors=True)
