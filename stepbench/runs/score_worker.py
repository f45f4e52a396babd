"""Scoring a clip: what goes in, what comes out, and in which surroundings it is computed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.canonical import sha256_file

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
        from stepbench.video import read_clip

        self._check()
        return read_clip(self.path)

    def stream(self) -> Iterator[VideoClip]:
        """The decoded clip in parts, in memory that does not grow with its length.

        Raises:
            VideoError: As `read`; that a file is cut off shows at its end.
        """
        from stepbench.video import stream_clip

        self._check()
        yield from stream_clip(self.path)

    def _check(self) -> None:
        from stepbench.video import VideoError

        if self.path.is_file() and sha256_file(self.path) != self.sha256:
            raise VideoError(
                f"{self.path.name} changed since it was generated: its sha256 is no longer the journal's",
                hint="delete the file and run again to generate it anew",
            )


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
