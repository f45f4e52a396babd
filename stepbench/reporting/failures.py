"""Samples and scores that are missing from a run, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stepbench.reporting.model import Failure

if TYPE_CHECKING:
    from stepbench.runs.run import Run


def failures_of(name: str, run: Run, label: str, metric_ids: Iterable[str]) -> list[Failure]:
    """Failed and refused samples, those never tried, and scores that could not be computed; in plan order."""
    wanted = set(metric_ids)
    rows = []
    for row in run.samples().to_dict(orient="records"):
        outcome = row["outcome"] if isinstance(row["outcome"], str) else "missing"
        if outcome != "ok":
            error = row["error"] if isinstance(row["error"], str) else "not tried yet"
            rows.append((f"{row['prompt_id']} seed {row['seed']}", "sample", outcome, error))
    for row in run.scores().to_dict(orient="records"):
        if row["status"] != "ok" and row["metric_id"] in wanted:
            rows.append((f"{row['prompt_id']} seed {row['seed']}", row["metric"], row["status"], str(row["error"])))
    for row in run.set_scores().to_dict(orient="records"):
        if row["status"] != "ok" and row["metric_id"] in wanted:
            rows.append(("all clips", row["metric"], row["status"], str(row["error"])))
    return [
        Failure(run=name, label=label, where=where, what=what, outcome=outcome, error=error)
        for where, what, outcome, error in rows
    ]
