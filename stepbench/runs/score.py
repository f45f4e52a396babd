"""The scoring stage: every made clip gets a row from every metric, and features for every set metric, clip by clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any

from stepbench.executors.local import THIS_PROCESS
from stepbench.executors.protocol import Executor
from stepbench.progress import track
from stepbench.runs.feature_store import FeatureBuffer
from stepbench.runs.folder import RunFolder
from stepbench.runs.journal import Journal, RowBuffer
from stepbench.runs.metric_set import ChosenMetric
from stepbench.runs.plan import PlannedSample
from stepbench.runs.score_stream import run_scoring
from stepbench.runs.score_worker import ClipFile, ScoredClip, ScoreTask, all_failed
from stepbench.runs.unavailable import save_unavailable

if TYPE_CHECKING:
    import numpy as np

DROPPED = "the master was dropped after scoring (--keep previews): generate the run anew to score it with more metrics"


def score_missing(
    folder: RunFolder,
    samples: Sequence[PlannedSample],
    metrics: Sequence[ChosenMetric],
    *,
    references: Mapping[tuple[str, int], ClipFile] | None = None,
    reference_set: Sequence[ClipFile] = (),
    executor: Executor = THIS_PROCESS,
    device: str = "cpu",
    shard: str = "",
) -> None:
    """Score every clip that lacks a good score, and make the features that are not there; failures are tried again.

    Args:
        references: (prompt id, seed) -> reference clip, for metrics that need one.
        reference_set: Clips that set metrics compare with, as far as this process is to see to them.
        executor: Who does the work.
        device: Where networks compute.

    Raises:
        IncompleteError: Scores cannot be saved. What was saved stays.
    """
    save_unavailable(folder, samples, metrics, shard)
    metrics = [metric for metric in metrics if not metric.unavailable]
    known = {
        metric.feature_id: folder.feature_store(metric.feature_id).keys() for metric in metrics if metric.feature_id
    }
    tasks = [
        *_pending(folder, samples, metrics, references or {}, known),
        *_pending_references(reference_set, known),
    ]
    if not tasks:
        return
    with ExitStack() as stack:
        journals = {
            metric.metric_id: stack.enter_context(Journal(folder.score_journal(metric.metric_id, shard)))
            for metric in metrics
        }
        rows = stack.enter_context(RowBuffer(partial(_save, journals)))
        features = stack.enter_context(FeatureBuffer(partial(_save_features, folder)))
        present = [task for task in tasks if not task.dropped]
        for task in tasks:
            if task.dropped:
                rows.add(*_rows(task, all_failed(task, DROPPED), metrics, status="unavailable"), seconds=0)
        if present:
            results = run_scoring(metrics, present, executor=executor, device=device)
            stack.enter_context(closing(results))
            for task, done in track(results, total=len(present), description="scoring"):
                features.add(task.clip.sha256, done.features)
                rows.add(*_rows(task, done, metrics), seconds=done.seconds)


def _rows(
    task: ScoreTask, done: ScoredClip, metrics: Sequence[ChosenMetric], status: str = "failed"
) -> list[dict[str, Any]]:
    """The score rows of a clip; for a set metric only what kept the clip out of the set."""
    clip: dict[str, Any] = {"sample_key": task.sample_key, "clip_sha256": task.clip.sha256}
    if not task.sample_key:
        clip = {"reference_clip": task.clip.sha256}
    left_out = [
        {**clip, "metric_id": metric.metric_id, "value": None, "n": 0, "status": status, "error": reason}
        for metric in metrics
        if (reason := done.no_features.get(metric.feature_id)) is not None
    ]
    rows = done.rows if status == "failed" else [row | {"status": status} for row in done.rows]
    return [*rows, *left_out]


def _save(journals: Mapping[str, Journal], rows: Sequence[Mapping[str, Any]]) -> None:
    for metric_id, journal in journals.items():
        own = [row for row in rows if row["metric_id"] == metric_id]
        if own:
            journal.append(own)


def _save_features(folder: RunFolder, made: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    for feature_id, features in made.items():
        folder.feature_store(feature_id).add(features)


def _pending(
    folder: RunFolder,
    samples: Sequence[PlannedSample],
    metrics: Sequence[ChosenMetric],
    references: Mapping[tuple[str, int], ClipFile],
    known: Mapping[str, set[str]],
) -> Iterator[ScoreTask]:
    made = folder.read_samples()
    of_clips = [metric for metric in metrics if not metric.feature_id]
    scored = {metric.metric_id: folder.read_scores(metric.metric_id) for metric in of_clips}
    seen = set()
    for sample in samples:
        row = made.get(sample.key)
        if row is None or row["outcome"] != "ok" or sample.key in seen:
            continue
        seen.add(sample.key)
        lacking = [
            metric.metric_id
            for metric in of_clips
            if not _is_scored(scored[metric.metric_id].get(sample.key), row["clip_sha256"])
        ]
        clip = ClipFile(path=folder.path / row["clip"], sha256=row["clip_sha256"])
        features = _lacking(clip, known)
        if lacking or features:
            yield ScoreTask(
                sample_key=sample.key,
                clip=clip,
                dropped=bool(row.get("master_dropped")),
                prompt=sample.prompt.text,
                ground_truth=sample.prompt.ground_truth,
                metrics=lacking,
                features=features,
                reference=references.get((sample.prompt.id, sample.seed)),
            )


def _pending_references(clips: Sequence[ClipFile], known: Mapping[str, set[str]]) -> Iterator[ScoreTask]:
    for clip in clips:
        features = _lacking(clip, known)
        if features:
            yield ScoreTask(sample_key="", clip=clip, features=features)


def _lacking(clip: ClipFile, known: Mapping[str, set[str]]) -> list[str]:
    return [feature_id for feature_id, clips in known.items() if clip.sha256 not in clips]


def _is_scored(row: Mapping[str, Any] | None, clip_sha256: str) -> bool:
    return row is not None and row["clip_sha256"] == clip_sha256 and row["status"] == "ok"
