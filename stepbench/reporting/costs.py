"""What clips cost to make: seconds with an interval and by stage, peak memory, energy. Absent is absent, never zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from stepbench.reporting.model import Cost
from stepbench.reporting.values import present
from stepbench.runs.folder import RunFolder
from stepbench.stats.intervals import mean_interval

if TYPE_CHECKING:
    from stepbench.runs.run import Run


def cost_of(name: str, run: Run, label: str) -> Cost:
    """The cost of the clips that were made; failed and refused samples have none.

    Seconds are averaged over clips, with a t interval over prompts, so that seeds of one prompt count as one.
    """
    made = RunFolder(run.folder).read_samples()
    rows = [(made[key], prompt.id) for key, prompt, _ in run.planned if made.get(key, {}).get("outcome") == "ok"]
    timed = [(seconds["total"], prompt) for row, prompt in rows if "total" in (seconds := row.get("seconds") or {})]
    totals = [seconds for seconds, _ in timed]
    estimate = mean_interval(totals, [prompt for _, prompt in timed])
    peaks = _numbers(rows, "peak_memory_bytes")
    joules = _numbers(rows, "joules")
    return Cost(
        run=name,
        label=label,
        n=len(rows),
        seconds=present(estimate.estimate),
        low=present(estimate.low),
        high=present(estimate.high),
        median=median(totals) if totals else None,
        stages=_stages([row.get("seconds") or {} for row, _ in rows]),
        peak_memory_bytes=int(max(peaks)) if peaks else None,
        joules=fmean(joules) if joules else None,
    )


def _numbers(rows: Sequence[tuple[Mapping[str, Any], str]], field: str) -> list[float]:
    return [float(row[field]) for row, _ in rows if row.get(field) is not None]


def _stages(seconds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Stage -> mean over the clips that report it, in the order in which stages are reported; `total` is left out."""
    stages = dict.fromkeys(stage for row in seconds for stage in row if stage != "total")
    return {stage: fmean(row[stage] for row in seconds if stage in row) for stage in stages}
