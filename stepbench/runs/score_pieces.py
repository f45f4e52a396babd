"""Score one clip from its pieces: every metric, and what networks of set metrics are to see, from one decode."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stepbench.runs.read_pieces import Piece, read_pieces, wants_reference
from stepbench.runs.score_worker import ScoreTask, one_thread, unscored

if TYPE_CHECKING:
    import numpy as np

    from metrics import ClipStream
    from stepbench.video import VideoClip


@dataclass(frozen=True, kw_only=True)
class Halfway:
    """A clip whose rows are there and whose features are still to be made.

    Attributes:
        rows: One score row per metric.
        frames: feature_id -> the frames that they are made from, uint8 (t, 3, h, w), or why there are none.
        seconds: How long it took, waiting for the decoder aside.
    """

    task: ScoreTask
    rows: list[dict[str, Any]]
    frames: Mapping[str, np.ndarray | str]
    seconds: float


def score_pieces(
    metrics: Mapping[str, Any], makers: Mapping[str, Any], task: ScoreTask, pieces: Iterable[Piece], device: str
) -> Halfway:
    """Score a clip. One that cannot be read fails all metrics, its reference those that need it.

    Args:
        metrics: metric_id -> metric.
        makers: feature_id -> a set metric that makes these features.
        task: The clip and what it lacks.
        pieces: Its frames. Where there are more or fewer than they tell, the clip is read once more.
        device: Where networks compute. Formulas on pixels always do so on the CPU.
    """
    half, frames = _read_once(metrics, makers, task, pieces, device)
    if frames is None:
        return half
    again = read_pieces(task, with_reference=wants_reference(metrics, task), told=frames)
    return _read_once(metrics, makers, task, again, device)[0]


def _read_once(
    metrics: Mapping[str, Any], makers: Mapping[str, Any], task: ScoreTask, pieces: Iterable[Piece], device: str
) -> tuple[Halfway, int | None]:
    """What came of it, and how many frames there were where something depended on another number."""
    stream: ClipStream | None = None
    seconds, broken_reference = 0.0, ""
    try:
        for piece in pieces:
            if isinstance(piece.clip, str):
                return _failed(task, piece.clip, seconds), None
            broken_reference = piece.reference if isinstance(piece.reference, str) else ""
            started = time.perf_counter()
            with one_thread():
                stream = stream or _begin(metrics, makers, task, piece, device)
                stream.add(_tensor(piece.clip), _tensor(piece.reference))
            seconds += time.perf_counter() - started
            del piece  # it must not outlive the decoding of the next one
        assert stream is not None
        started = time.perf_counter()
        with one_thread():
            rows = _rows(metrics, task, stream.scores(), broken_reference)
        frames = {feature_id: _frames(stream, feature_id) for feature_id in task.features}
    except Exception as error:  # noqa: BLE001 - one clip that is like no other must not lose the rest
        return _failed(task, f"{type(error).__name__}: {error}", seconds), None
    half = Halfway(task=task, rows=rows, frames=frames, seconds=seconds + time.perf_counter() - started)
    return half, None if stream.told_right else stream.frames


def _begin(
    metrics: Mapping[str, Any], makers: Mapping[str, Any], task: ScoreTask, piece: Piece, device: str
) -> ClipStream:
    from metrics import ClipStream

    assert piece.clip is not None
    assert not isinstance(piece.clip, str)
    return ClipStream(
        {metric_id: metrics[metric_id] for metric_id in task.metrics},
        sets={feature_id: makers[feature_id] for feature_id in task.features},
        frames=piece.told,
        prompt=task.prompt,
        ground_truth=task.ground_truth,
        fps=piece.clip.fps,
        device=device,
    )


def _tensor(clip: VideoClip | str | None) -> Any:
    import torch

    return None if clip is None or isinstance(clip, str) else torch.from_numpy(clip.frames)


def _rows(
    metrics: Mapping[str, Any], task: ScoreTask, scores: Mapping[str, Any], broken_reference: str
) -> list[dict[str, Any]]:
    rows = {row["metric_id"]: row for row in unscored(task, "failed", "")}
    for metric_id, score in scores.items():
        if broken_reference and "reference" in metrics[metric_id].card.needs:
            rows[metric_id]["error"] = f"reference clip: {broken_reference}"
        elif score.status == "ok":
            rows[metric_id] |= {"value": score.value, "n": 1, "status": "ok", "error": None}
            rows[metric_id] |= {"note": score.note} if score.note else {}
        else:
            rows[metric_id] |= {"status": score.status, "error": score.error}
    return list(rows.values())


def _frames(stream: ClipStream, feature_id: str) -> np.ndarray | str:
    try:
        return stream.frames_of(feature_id).numpy()
    except Exception as error:  # noqa: BLE001 - a backbone that does not know what it needs must not lose the rest
        return f"{type(error).__name__}: {str(error) or 'no message'}"


def _failed(task: ScoreTask, reason: str, seconds: float) -> Halfway:
    rows = unscored(task, "failed", reason)
    return Halfway(task=task, rows=rows, frames=dict.fromkeys(task.features, reason), seconds=seconds)
