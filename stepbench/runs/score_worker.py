"""Score one clip: decode once, every metric from that one decode. Runs in a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file
from stepbench.errors import StepbenchError


@dataclass(frozen=True, kw_only=True)
class ScoreTask:
    """One clip and the metrics it still lacks.

    Attributes:
        metrics: metric_id -> registry name.
        reference: The clip to compare with, for metrics that need one.
    """

    sample_key: str
    clip: Path
    clip_sha256: str
    prompt: str
    ground_truth: Mapping[str, Any] | None
    metrics: Mapping[str, str]
    reference: Path | None = None


def score_worker(names: Mapping[str, str]) -> Callable[[ScoreTask], list[dict[str, Any]]]:
    """A worker with its metrics built. `names`: metric_id -> registry name, of the whole run."""
    from metrics.registry import build

    return partial(score_clip, {metric_id: build(name) for metric_id, name in names.items()})


def score_clip(metrics: Mapping[str, Any], task: ScoreTask) -> list[dict[str, Any]]:
    """One score row per metric of the task; a clip that cannot be read fails all of them by name."""
    from metrics.scoring import score_view

    rows = {
        metric_id: {
            "sample_key": task.sample_key,
            "clip_sha256": task.clip_sha256,
            "metric_id": metric_id,
            "value": None,
            "n": 0,
            "status": "failed",
            "error": None,
        }
        for metric_id in task.metrics
    }
    try:
        view = _view(task)
    except StepbenchError as error:
        return [row | {"error": error.message} for row in rows.values()]
    with _one_thread():
        scores = score_view(view, {metric_id: metrics[metric_id] for metric_id in task.metrics})
    for metric_id, score in scores.items():
        found = {"value": score.value, "n": 1, "status": "ok"} if score.status == "ok" else {"error": score.error}
        rows[metric_id] |= found
    return list(rows.values())


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


def _view(task: ScoreTask) -> Any:
    import torch

    from metrics.view import ClipView
    from stepbench.video import VideoError, read_clip

    clip = read_clip(task.clip)
    if sha256_file(task.clip) != task.clip_sha256:
        raise VideoError(
            f"{task.clip.name} changed since it was generated: its sha256 is no longer the journal's",
            hint="delete the file and run again to generate it anew",
        )
    reference = torch.from_numpy(read_clip(task.reference).frames) if task.reference else None
    return ClipView(
        torch.from_numpy(clip.frames),
        reference=reference,
        prompt=task.prompt,
        ground_truth=task.ground_truth,
        fps=clip.fps,
    )
