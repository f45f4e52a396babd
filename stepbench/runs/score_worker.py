"""Score one clip: decode once, every metric and every feature from that one decode. Runs in a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.canonical import sha256_file
from stepbench.errors import StepbenchError

if TYPE_CHECKING:
    import numpy as np

    from stepbench.video import VideoClip


@dataclass(frozen=True, kw_only=True)
class ClipFile:
    """A clip on disk and the sha256 its run recorded for it."""

    path: Path
    sha256: str

    def read(self) -> VideoClip:
        """The decoded clip.

        Raises:
            VideoError: The file is missing, damaged, or not the recorded one.
        """
        from stepbench.video import VideoError, read_clip

        if self.path.is_file() and sha256_file(self.path) != self.sha256:
            raise VideoError(
                f"{self.path.name} changed since it was generated: its sha256 is no longer the journal's",
                hint="delete the file and run again to generate it anew",
            )
        return read_clip(self.path)


@dataclass(frozen=True, kw_only=True)
class ScoreTask:
    """One clip and the metrics and features it still lacks.

    Attributes:
        sample_key: Empty for a clip of a reference set.
        dropped: The clip's file was dropped on purpose.
        metrics: metric_id -> registry name, of metrics with a value per clip.
        features: feature_id -> registry name of a set metric that makes them.
        reference: The clip to compare with, for metrics that need one.
    """

    sample_key: str
    clip: ClipFile
    prompt: str = ""
    ground_truth: Mapping[str, Any] | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)
    dropped: bool = False
    reference: ClipFile | None = None


@dataclass(frozen=True, kw_only=True)
class ScoredClip:
    """What became of a task.

    Attributes:
        rows: One score row per metric.
        features: feature_id -> float32 (d,).
        no_features: feature_id -> why there are none.
        seconds: How long it took.
    """

    rows: list[dict[str, Any]]
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    no_features: Mapping[str, str] = field(default_factory=dict)
    seconds: float


def score_worker(
    names: Mapping[str, str],
    makers: Mapping[str, str] | None = None,
    *,
    options: Mapping[str, Mapping[str, Any]],
) -> Callable[[ScoreTask], ScoredClip]:
    """A worker with its metrics built, of the whole run.

    Args:
        names: metric_id -> registry name, of the metrics with a value per clip.
        makers: feature_id -> registry name of a set metric that makes these features.
        options: metric_id -> what the metric is built with.
    """
    from metrics.registry import build

    metrics = {metric_id: build(name, **options[metric_id]) for metric_id, name in names.items()}
    extractors = {feature_id: build(name) for feature_id, name in (makers or {}).items()}
    return partial(score_clip, metrics, extractors)


def score_clip(metrics: Mapping[str, Any], extractors: Mapping[str, Any], task: ScoreTask) -> ScoredClip:
    """Score one clip; one that cannot be read fails every metric by name, its reference those that need it."""
    from metrics.scoring import score_view

    started = time.perf_counter()
    rows = {row["metric_id"]: row for row in unscored(task, "failed", "")}
    wanted = {metric_id: metrics[metric_id] for metric_id in task.metrics}
    with_reference = [metric_id for metric_id, metric in wanted.items() if "reference" in metric.card.needs]
    try:
        clip = task.clip.read()
    except StepbenchError as error:
        return ScoredClip(
            rows=unscored(task, "failed", error.message),
            no_features=dict.fromkeys(task.features, error.message),
            seconds=time.perf_counter() - started,
        )
    reference = None
    try:
        reference = task.reference.read() if task.reference and with_reference else None
    except StepbenchError as error:
        for metric_id in with_reference:
            rows[metric_id]["error"] = f"reference clip: {error.message}"
            del wanted[metric_id]
    with _one_thread():
        scores = score_view(_view(task, clip, reference), wanted)
        made = {feature_id: _features(extractors[feature_id], clip) for feature_id in task.features}
    for metric_id, score in scores.items():
        found = {"value": score.value, "n": 1, "status": "ok", "error": None}
        found |= {"note": score.note} if score.note else {}
        rows[metric_id] |= found if score.status == "ok" else {"status": score.status, "error": score.error}
    return ScoredClip(
        rows=list(rows.values()),
        features={feature_id: found for feature_id, found in made.items() if not isinstance(found, str)},
        no_features={feature_id: found for feature_id, found in made.items() if isinstance(found, str)},
        seconds=time.perf_counter() - started,
    )


def unscored(task: ScoreTask, status: str, error: str) -> list[dict[str, Any]]:
    """Rows that say why a clip has no value: `status` is `failed` or `unavailable`."""
    row = {"sample_key": task.sample_key, "clip_sha256": task.clip.sha256}
    return [
        {**row, "metric_id": metric_id, "value": None, "n": 0, "status": status, "error": error}
        for metric_id in task.metrics
    ]


def _features(metric: Any, clip: VideoClip) -> np.ndarray | str:
    """The clip's features, float32 (d,), or why there are none."""
    import torch

    try:
        return metric.features_of(torch.from_numpy(clip.frames)[None])[0].numpy()
    except Exception as error:  # noqa: BLE001 - a clip that a backbone chokes on must not lose the clip's other scores
        return f"{type(error).__name__}: {str(error) or 'no message'}"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums are rounded by how they are split among threads; one thread gives the same bits for any worker count."""
    import cv2
    import torch

    threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv2_threads)


def _view(task: ScoreTask, clip: VideoClip, reference: VideoClip | None) -> Any:
    import torch

    from metrics.view import ClipView

    return ClipView(
        torch.from_numpy(clip.frames),
        reference=torch.from_numpy(reference.frames) if reference else None,
        prompt=task.prompt,
        ground_truth=task.ground_truth,
        fps=clip.fps,
    )
