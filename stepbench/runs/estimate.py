"""Expected hours and disk of a plan, from earlier runs of the same generator where there are any."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

from stepbench.errors import StepbenchError
from stepbench.executors.local import require_workers
from stepbench.generators.protocol import Generator
from stepbench.runs.folder import RunFolder
from stepbench.runs.plan import Plan, shard_of

_GEOMETRY = ("frames", "height", "width", "steps")


def estimate(
    plan: Plan, generator: Generator, *, runs: Path, workers: int, shard: tuple[int, int] | None = None
) -> dict[str, Any]:
    """Hours and bytes for the plan, or for one shard of it, with the ground they stand on.

    Time is known only from samples of the same generator at the same size and steps; without them it is None, since a
    guess would be worse. Disk is then bounded by the size of raw frames.

    Raises:
        UsageError: Fewer than one worker, or a shard out of range.
    """
    require_workers(workers)
    samples = shard_of(plan.samples, *shard) if shard else plan.samples
    made = [row for row in _earlier(plan, generator, runs) if row["outcome"] == "ok"]
    count = len(samples)
    raw = sum(_raw_bytes(sample.settings) for sample in samples)
    return {
        "samples": count,
        "hours": mean(row["seconds"]["total"] for row in made) * count / workers / 3600 if made else None,
        "hours_from": f"{len(made)} earlier samples" if made else "no earlier run of this generator at this size",
        "disk_bytes": int(mean(row["bytes"] for row in made) * count) if made else raw,
        "disk_from": f"{len(made)} earlier samples" if made else "raw frames, an upper bound",
    }


def _earlier(plan: Plan, generator: Generator, runs: Path) -> list[dict[str, Any]]:
    """Sample rows of earlier runs of the same generator at the same size and steps."""
    wanted = plan.samples[0].settings
    found: list[dict[str, Any]] = []
    for path in sorted(runs.glob("*/run.json")):
        folder = RunFolder(path.parent)
        try:
            info, rows = folder.read_info(), folder.read_samples()
        except StepbenchError:
            # A folder that is no run of this version, or a broken one, tells nothing about time.
            continue
        same_size = all(info["settings"].get(name) == wanted.get(name) for name in _GEOMETRY)
        if same_size and info["generator"]["name"] == generator.card.name:
            found += rows.values()
    return found


def _raw_bytes(settings: Any) -> int:
    return int(settings.get("frames", 0)) * int(settings.get("height", 0)) * int(settings.get("width", 0)) * 3
