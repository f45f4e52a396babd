"""The clips of tasks as pieces: of a clip and its reference so many frames at a time, one piece decoded ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stepbench.errors import StepbenchError
from stepbench.runs.score_worker import ClipFile, ScoreTask

if TYPE_CHECKING:
    from stepbench.video import VideoClip

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The next frames of a task's clip, and as many of its reference.

    Attributes:
        told: How many frames the clip seems to have; 0 where nothing depends on it.
        clip: Frames; a text that says why there are no more; or None where the clip has ended before its reference.
        reference: Likewise; None also where there is none.
    """

    told: int
    clip: VideoClip | str | None
    reference: VideoClip | str | None


def pieces_of_tasks(
    metrics: Mapping[str, Any], tasks: Iterable[ScoreTask]
) -> Iterator[tuple[ScoreTask, Iterator[Piece]]]:
    """Every task with its pieces. While one piece is worked on, the next is decoded; never more than that.

    Args:
        metrics: metric_id -> metric.
        tasks: Clips, each with what it lacks.
    """
    pieces = chain.from_iterable(_placed(metrics, place) for place in enumerate(tasks))
    for (_, task), of_task in groupby(read_ahead(pieces), key=itemgetter(0)):
        yield task, (piece for _, piece in of_task)


def read_pieces(task: ScoreTask, *, with_reference: bool, told: int = 0) -> Iterator[Piece]:
    """The pieces of a task; the last one says what went wrong, where something did.

    Args:
        task: A clip and what it lacks.
        with_reference: Whether its reference is wanted, where it has one.
        told: How many frames the clip seems to have.
    """
    clips = _readable(task.clip)
    references = _readable(task.reference) if task.reference and with_reference else iter(())
    clip, reference = next(clips, None), next(references, None)
    while clip is not None or reference is not None:
        yield Piece(told=told, clip=clip, reference=reference)
        if isinstance(clip, str) or (clip is None and isinstance(reference, str)):
            return
        broken = reference if isinstance(reference, str) else None
        clip = reference = None  # they must not outlive the decoding of the next ones
        clip, reference = next(clips, None), broken or next(references, None)


def wants_reference(metrics: Mapping[str, Any], task: ScoreTask) -> bool:
    """Whether a metric of the task compares the clip with its reference."""
    return any("reference" in metrics[metric_id].card.needs for metric_id in task.metrics)


def _placed(metrics: Mapping[str, Any], place: tuple[int, ScoreTask]) -> Iterator[tuple[tuple[int, ScoreTask], Piece]]:
    task = place[1]
    told = _told(task.clip) if task.features or _picks_frames(metrics, task) else 0
    for piece in read_pieces(task, with_reference=wants_reference(metrics, task), told=told):
        yield place, piece
        del piece  # it must not outlive the decoding of the next one


def _picks_frames(metrics: Mapping[str, Any], task: ScoreTask) -> bool:
    from metrics import ClipMetric

    ways = (getattr(type(metrics[metric_id]), "frames_seen", None) for metric_id in task.metrics)
    return any(way not in (None, ClipMetric.frames_seen) for way in ways)


def _told(file: ClipFile) -> int:
    from stepbench.video import count_frames

    try:
        return count_frames(file.path)
    except StepbenchError:
        return 0  # reading the clip says what is wrong with it


def _readable(file: ClipFile) -> Iterator[VideoClip | str]:
    try:
        yield from file.stream()
    except StepbenchError as error:
        yield error.message
    except Exception as error:  # noqa: BLE001 - whatever a reader chokes on is told in the clip's rows
        yield f"{type(error).__name__}: {error}"


class _Making(threading.Thread, Generic[Item]):
    """The next item being made. A daemon, so that a program that is told to stop does not wait for a slow disk."""

    def __init__(self, items: Iterator[Item]) -> None:
        super().__init__(daemon=True)
        self._items = items
        self._made: list[Item] = []
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._made = [next(self._items)]
        except StopIteration:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where the item is asked for
            self._error = error

    def take(self) -> list[Item]:
        """The item once it is made, in a list; an empty one behind the last."""
        self.join()
        if self._error is not None:
            raise self._error
        made, self._made = self._made, []
        return made


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """All items. While one is worked on, the next is made in another thread; never more than that."""
    source = iter(items)
    ahead = _Making(source)
    while made := ahead.take():
        ahead = _Making(source)
        yield made.pop()
