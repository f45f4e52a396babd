"""The scoring stage: every made clip gets a row from every metric, clip by clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from stepbench.executors.local import Lost, run_tasks
from stepbench.progress import track
from stepbench.runs.folder import RunFolder
from stepbench.runs.generate import RowBuffer
from stepbench.runs.journal import Journal
from stepbench.runs.metric_set import ChosenMetric
from stepbench.runs.plan import PlannedSample
from stepbench.runs.score_worker import ScoreTask, score_worker


def score_missing(
    folder: RunFolder,
    samples: Sequence[PlannedSample],
    metrics: Sequence[ChosenMetric],
    *,
    references: Mapping[tuple[str, int], Path] | None = None,
    workers: int = 1,
    shard: str = "",
    recompute: bool = False,
) -> None:
    """Score every clip that lacks a good score; failed scores are tried again.

    Args:
        references: (prompt id, seed) -> reference clip, for metrics that need one.
        recompute: Score again what is scored already.

    Raises:
        IncompleteError: Scores cannot be saved. What was saved stays.
    """
    tasks = list(_pending(folder, samples, metrics, references or {}, recompute))
    if not tasks:
        return
    names = {metric.metric_id: metric.name for metric in metrics}
    results = run_tasks(partial(score_worker, names), tasks, workers=workers)
    with ExitStack() as stack:
        journals = {
            metric_id: stack.enter_context(Journal(folder.score_journal(metric_id, shard))) for metric_id in names
        }
        rows = stack.enter_context(RowBuffer(partial(_save, journals)))
        for task, result in track(results, total=len(tasks), description="scoring"):
            rows.add(*(_lost_rows(task, result) if isinstance(result, Lost) else result))


def _save(journals: Mapping[str, Journal], rows: list[dict[str, Any]]) -> None:
    for metric_id, journal in journals.items():
        own = [row for row in rows if row["metric_id"] == metric_id]
        if own:
            journal.append(own)


def _lost_rows(task: ScoreTask, lost: Lost) -> list[dict[str, Any]]:
    row = {"sample_key": task.sample_key, "clip_sha256": task.clip_sha256}
    return [
        {**row, "metric_id": metric_id, "value": None, "n": 0, "status": "failed", "error": lost.reason}
        for metric_id in task.metrics
    ]


def _pending(
    folder: RunFolder,
    samples: Sequence[PlannedSample],
    metrics: Sequence[ChosenMetric],
    references: Mapping[tuple[str, int], Path],
    recompute: bool,
) -> Iterator[ScoreTask]:
    made = folder.read_samples()
    scored = {metric.metric_id: {} if recompute else folder.read_scores(metric.metric_id) for metric in metrics}
    seen = set()
    for sample in samples:
        row = made.get(sample.key)
        if row is None or row["outcome"] != "ok" or row.get("master_dropped") or sample.key in seen:
            continue
        seen.add(sample.key)
        lacking = {
            metric.metric_id: metric.name
            for metric in metrics
            if not _is_scored(scored[metric.metric_id].get(sample.key), row["clip_sha256"])
        }
        if lacking:
            yield ScoreTask(
                sample_key=sample.key,
                clip=folder.path / row["clip"],
                clip_sha256=row["clip_sha256"],
                prompt=sample.prompt.text,
                ground_truth=sample.prompt.ground_truth,
                metrics=lacking,
                reference=references.get((sample.prompt.id, sample.seed)),
            )


def _is_scored(row: Mapping[str, Any] | None, clip_sha256: str) -> bool:
    return row is not None and row["clip_sha256"] == clip_sha256 and row["status"] == "ok"
