"""The files of a finished run in a form in which two runs can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHANGING = {"seconds", "attempt", "peak_memory_bytes", "joules", "joules_from"}


def final_bytes(run: Path) -> dict[str, bytes]:
    """The files that must come out the same however the work was done, by name."""
    names = ["plan.jsonl", "prompts.jsonl", "summary.json", "scores.parquet"]
    names += sorted(f"scores/{path.name}" for path in (run / "scores").iterdir())
    return {name: (run / name).read_bytes() for name in names}


def final_samples(run: Path) -> list[dict[str, Any]]:
    """The rows of `samples.jsonl` without what may differ between two runs of the same plan."""
    rows = [json.loads(line) for line in (run / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in row.items() if name not in CHANGING} for row in rows]


def clip_bytes(run: Path) -> dict[str, bytes]:
    """Every file below `clips/`, by name."""
    return {path.name: path.read_bytes() for path in (run / "clips").iterdir()}


def lines(path: Path) -> int:
    """Whole lines in a file; 0 if it is not there."""
    return path.read_bytes().count(b"\n") if path.exists() else 0
