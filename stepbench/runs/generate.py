"""The generation stage: what is missing is made, each clip committed before its journal row."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from stepbench.errors import IncompleteError
from stepbench.executors.local import THIS_PROCESS
from stepbench.executors.protocol import Executor, Lost, Stage
from stepbench.generators.protocol import Generator
from stepbench.generators.ranks import SharedSource
from stepbench.progress import track
from stepbench.runs.folder import RunFolder
from stepbench.runs.journal import Journal, RowBuffer, saving
from stepbench.runs.plan import PlannedSample, plan_name
from stepbench.runs.sample_worker import MadeSample, SampleTask, sample_worker
from stepbench.runs.start import update_info
from stepbench.runs.store_clip import Keep


def generate_missing(
    folder: RunFolder,
    samples: Sequence[PlannedSample],
    source: str | Generator | SharedSource,
    *,
    executor: Executor = THIS_PROCESS,
    timeout: float | None = None,
    keep: Keep = "both",
    shard: str = "",
) -> None:
    """Generate every sample that has no success or refusal yet; failed ones are tried again.

    Args:
        samples: This shard's part of the plan.
        source: The generator's spec, or the generator itself when this process does the work.
        executor: Where it is done.

    Raises:
        IncompleteError: Results cannot be saved. What was saved stays.
    """
    scratch_prefix = f".tmp-{shard or 'all'}-"
    _remove_leftovers(folder, scratch_prefix)
    tasks = list(_pending(folder, samples, folder.read_samples(), _name(folder)))
    if not tasks:
        # Nothing to load a model for.
        return
    _note_machine(folder, executor.workers)
    make_worker = partial(
        sample_worker, source, folder.clips, scratch_prefix, keep, timeout, alone=executor.workers == 1
    )
    results = executor.run_tasks(make_worker, tasks, stage=Stage.GENERATE, timeout=timeout)
    try:
        # `closing` ends the workers also when Ctrl-C or a full disk ends the loop.
        with closing(results), Journal(folder.samples(shard)) as journal, RowBuffer(journal.append) as rows:
            for task, result in track(results, total=len(tasks), description="generating"):
                row = _commit(folder, task, result)
                rows.add(row, seconds=row.get("seconds", {}).get("total", math.inf))
    finally:
        _remove_leftovers(folder, scratch_prefix)


def _note_machine(folder: RunFolder, workers: int) -> None:
    """Say in `run.json` on what the clips are made: seconds and joules of other machines are other measures."""

    def noted(info: dict[str, Any]) -> dict[str, Any]:
        environment = info["environment"] or {}
        machine = {"cpu": environment.get("cpu"), "gpus": environment.get("gpus"), "workers": workers}
        known = info.get("made_on", [])
        return info | {"made_on": known if machine in known else [*known, machine]}

    update_info(folder, noted)


def _name(folder: RunFolder) -> str:
    info = folder.read_info()
    return plan_name(info["suite"]["name"], info["generator"]["name"], info["plan_hash"])


def _pending(
    folder: RunFolder, samples: Sequence[PlannedSample], done: Mapping[str, dict[str, Any]], run: str
) -> Iterator[SampleTask]:
    planned = set()
    present = set(os.listdir(folder.clips))
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
            run=run,
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
