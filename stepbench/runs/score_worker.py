"""Score one decoded clip: every metric, from that one decode. What goes in, what comes out, and how a clip is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
        metrics: Ids of metrics with a value per clip.
        features: Ids of features that set metrics are computed from.
        reference: The clip to compare with, for metrics that need one.
    """

    sample_key: str
    clip: ClipFile
    prompt: str = ""
    ground_truth: Mapping[str, Any] | None = None
    metrics: Sequence[str] = ()
    features: Sequence[str] = ()
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


@dataclass(frozen=True, kw_only=True)
class ReadTask:
    """The decoded clips of a task, each of them or why it could not be read.

    Attributes:
        reference: None where the task has none.
    """

    clip: VideoClip | str
    reference: VideoClip | str | None


def read_task(task: ScoreTask, *, with_reference: bool) -> ReadTask:
    """Decode the clip, and its reference where that is wanted."""
    return ReadTask(
        clip=_read(task.clip), reference=_read(task.reference) if task.reference and with_reference else None
    )


def score_rows(metrics: Mapping[str, Any], task: ScoreTask, read: ReadTask, device: str) -> list[dict[str, Any]]:
    """One row per metric of the task; a clip that cannot be read fails all of them, its reference those that need it.

    Args:
        metrics: metric_id -> metric.
        device: Where networks compute. Formulas on pixels always do so on the CPU.
    """
    from metrics.scoring import score_view

    if isinstance(read.clip, str):
        return unscored(task, "failed", read.clip)
    rows = {row["metric_id"]: row for row in unscored(task, "failed", "")}
    wanted = {metric_id: metrics[metric_id] for metric_id in task.metrics}
    if isinstance(read.reference, str):
        for metric_id in [key for key, metric in wanted.items() if "reference" in metric.card.needs]:
            rows[metric_id]["error"] = f"reference clip: {read.reference}"
            del wanted[metric_id]
    networks = any(metric.card.backbone for metric in wanted.values())
    with one_thread():
        scores = score_view(_view(task, read, device if networks else "cpu"), wanted)
    for metric_id, score in scores.items():
        found = {"value": score.value, "n": 1, "status": "ok", "error": None}
        found |= {"note": score.note} if score.note else {}
        rows[metric_id] |= found if score.status == "ok" else {"status": score.status, "error": score.error}
    return list(rows.values())


def unscored(task: ScoreTask, status: str, error: str) -> list[dict[str, Any]]:
    """Rows that say why a clip has no value: `status` is `failed` or `unavailable`."""
    row = {"sample_key": task.sample_key, "clip_sha256": task.clip.sha256}
    return [
        {**row, "metric_id": metric_id, "value": None, "n": 0, "status": status, "error": error}
        for metric_id in task.metrics
    ]


def all_failed(task: ScoreTask, reason: str) -> ScoredClip:
    """A task that nothing came of."""
    no_features = dict.fromkeys(task.features, reason)
    return ScoredClip(rows=unscored(task, "failed", reason), no_features=no_features, seconds=math.inf)


@contextmanager
def one_thread() -> Iterator[None]:
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


def _read(file: ClipFile) -> VideoClip | str:
    try:
        return file.read()
    except StepbenchError as error:
        return error.message


def _view(task: ScoreTask, read: ReadTask, device: str) -> Any:
    import torch

    from metrics.view import ClipView

    assert not isinstance(read.clip, str)
    reference = None if isinstance(read.reference, str) else read.reference
    return ClipView(
        torch.from_numpy(read.clip.frames).to(device),
        reference=torch.from_numpy(reference.frames).to(device) if reference else None,
        prompt=task.prompt,
        ground_truth=task.ground_truth,
        fps=read.clip.fps,
    )
