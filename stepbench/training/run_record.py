"""`origin.json`: what a run folder of `stepbench train` was made from, so that it goes on with nothing else."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reference_model.training.checkpoints import STATE_FILE
from reference_model.training.distributed import barrier, is_main
from stepbench.errors import UsageError
from stepbench.provenance import capture_environment, now
from stepbench.runs.journal import saving

RECORD_FILE = "origin.json"
LOG_FILE = "log.csv"
TEST_PREFIX = "test_"


def check_run_folder(out: Path, origin: Mapping[str, str]) -> None:
    """Stops where a folder has checkpoints of a run of another origin.

    Args:
        out: Run folder; need not exist.
        origin: Stage, model and data as texts; those that are known.

    Raises:
        UsageError: The folder belongs to another run, or to something else.
    """
    if not (out / RECORD_FILE).is_file():
        if any((out / name).exists() for name in ("run.json", "recipe.json")):
            raise UsageError(f"{out} holds a run that is not from stepbench train", hint="give another --out")
        return
    before = _read(out / RECORD_FILE)["origin"]
    changed = [key for key in origin if before.get(key) != origin[key]]
    if changed and steps_done(out):
        values = "; ".join(f"{key} was {before.get(key)!r}, is {origin[key]!r}" for key in changed)
        raise UsageError(
            f"{out} holds another training run: {values}", hint="give another --out, or what it began with"
        )


def claim_run_folder(out: Path, origin: Mapping[str, str]) -> None:
    """Checks a folder and notes in it what the run is made from.

    Args:
        out: Run folder; created.
        origin: Stage, model and data as texts.

    Raises:
        UsageError: See `check_run_folder`.
        IncompleteError: It cannot be written.
    """
    check_run_folder(out, origin)
    barrier()
    if not is_main():
        return
    file = out / RECORD_FILE
    began = _read(file)["began"] if file.is_file() else now()
    record = {"version": 1, "origin": dict(origin), "began": began, "environment": capture_environment()}
    with saving(file):
        out.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(file)


def steps_done(out: Path) -> int:
    """Steps up to the newest checkpoint, 0 without one."""
    checkpoints = (out / "checkpoints").glob(f"step-*/{STATE_FILE}")
    return max((int(file.parent.name.removeprefix("step-")) for file in checkpoints), default=0)


def last_figures(out: Path) -> dict[str, float]:
    """The newest figures on held-out data in a run's log, with their `step`; empty if there are none yet."""
    file = out / LOG_FILE
    if not file.is_file():
        return {}
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for row in reversed(rows):
        figures = {key.removeprefix(TEST_PREFIX): row[key] for key in row if key.startswith(TEST_PREFIX) and row[key]}
        if figures:
            return {"step": float(row["step"]), **{key: float(value) for key, value in figures.items()}}
    return {}


def _read(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return {"origin": dict(record["origin"]), "began": str(record["began"])}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", hint="give another --out, or mend the file") from error
