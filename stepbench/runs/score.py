"""The scoring stage: every made clip gets a row from every metric, clip by clip."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

from stepbench.executors.local import Lost, run_tasks
from stepbench.progress import track
from stepbench.runs.folder import RunFolder
from stepbench.runs.journal import Journal, RowBuffer
from stepbench.runs.metric_set import ChosenMetric
from stepbench.runs.plan import PlannedSample
from stepbench.runs.score_worker import ClipFile, ScoreTask, score_worker, unscored
from stepbench.runs.unavailable import save_unavailable

DROPPED = "the master was dropped after scoring (--keep previews): generate the run anew to score it with more metrics"


def score_missing(
    folder: RunFolder,
    samples: Sequence[PlannedSample],
    metrics: Sequence[ChosenMetric],
    *,
    references: Mapping[tuple[str, int], ClipFile] | None = None,
    workers: int = 1,
    shard: str = "",
) -> None:
    """Score every clip that lacks a good score; failed scores are tried again.

    Args:
        references: (prompt id, seed) -> reference clip, for metrics that need one.

    Raises:
        IncompleteError: Scores cannot be saved. What was saved stays.
    """
    save_unavailable(folder, samples, metrics, shard)
    metrics = [metric for metric in metrics if not metric.unavailable]
    tasks = list(_pending(folder, samples, metrics, references or {}))
    if not tasks:
        return
    names = {metric.metric_id: metric.name for metric in metrics}
    options = {metric.metric_id: metric.options for metric in metrics}
    with ExitStack() as stack:
        journals = {
            metric_id: stack.enter_context(Journal(folder.score_journal(metric_id, shard))) for metric_id in names
        }
        rows = stack.enter_context(RowBuffer(partial(_save, journals)))
        present = [task for task in tasks if not task.dropped]
        for task in tasks:
            if task.dropped:
                rows.add(*unscored(task, "unavailable", DROPPED), seconds=0)
        if present:
            results = run_tasks(partial(score_worker, names, options=options), present, workers=workers)
            stack.enter_context(closing(results))
            for task, result in track(results, total=len(present), description="scoring"):
                if isinstance(result, Lost):
                    rows.add(*unscored(task, "failed", result.reason), seconds=math.inf)
                else:
                    rows.add(*result.rows, seconds=result.seconds)


def _save(journals: Mapping[str, Journal], rows: Sequence[Mapping[str, Any]]) -> None:
    for metric_id, journal in journals.items():
        own = [row for row in rows if row["metric_id"] == metric_id]
        if own:
            journal.append(own)


def _pending(
    folder: RunFolder,
    samples: Sequence[PlannedSample],
    metrics: Sequence[ChosenMetric],
    references: Mapping[tuple[str, int], ClipFile],
) -> Iterator[ScoreTask]:
    made = folder.read_samples()
    scored = {metric.metric_id: folder.read_scores(metric.metric_id) for metric in metrics}
    seen = set()
    for sample in samples:
        row = made.get(sample.key)
        if row is None or row["outcome"] != "ok" or sample.key in seen:
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
                clip=ClipFile(path=folder.path / row["clip"], sha256=row["clip_sha256"]),
                dropped=bool(row.get("master_dropped")),
                prompt=sample.prompt.text,
                ground_truth=sample.prompt.ground_truth,
                metrics=lacking,
                reference=references.get((sample.prompt.id, sample.seed)),
            )


def _is_scored(row: Mapping[str, Any] | None, clip_sha256: str) -> bool:
    return row is not None and row["clip_sha256"] == clip_sha256 and row["status"] == "ok"
