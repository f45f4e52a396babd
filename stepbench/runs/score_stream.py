"""Score clip after clip, part by part while the next part is decoded; on a GPU several clips share a network's pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from stepbench.executors.local import THIS_PROCESS
from stepbench.executors.protocol import Executor, Lost, Stage
from stepbench.runs.clip_features import features_of_clips
from stepbench.runs.metric_set import ChosenMetric
from stepbench.runs.read_pieces import pieces_of_tasks
from stepbench.runs.score_pieces import Halfway, score_pieces
from stepbench.runs.score_worker import ScoredClip, ScoreTask, all_failed

if TYPE_CHECKING:
    import numpy as np

CLIPS_PER_PASS = {"cpu": 1, "cuda": 8}
"""On a CPU, networks gain nothing from a second clip, and give other last bits with one. On a GPU every pass has
exactly so many, so that the company a clip is in does not change its numbers."""

TASKS_AT_ONCE = 4
"""Tasks that a worker process gets at a time, so that it can decode ahead; a kill redoes at most so many."""

Scored = tuple[ScoreTask, ScoredClip]
Scorer = Callable[[Iterable[ScoreTask]], Iterator[Scored]]


def run_scoring(
    metrics: Sequence[ChosenMetric],
    tasks: Sequence[ScoreTask],
    *,
    executor: Executor = THIS_PROCESS,
    device: str = "cpu",
) -> Generator[Scored]:
    """Score every task, in this process or in several, and yield each as it is done; a lost one has failed.

    Args:
        metrics: Those that the tasks name by their ids.
        tasks: Clips, each with what it lacks.
        executor: Who does the work; that never changes a value.
        device: Where networks compute.

    Raises:
        StepbenchError: A worker cannot be built.
    """
    yield from score_with(partial(_make_scorer, metrics, device), tasks, executor=executor)


def score_with(
    make_scorer: Callable[[], Scorer], tasks: Sequence[ScoreTask], *, executor: Executor
) -> Generator[Scored]:
    """As `run_scoring`, by any scorer. A batch that ends its worker is halved until the clip that did it is alone.

    Args:
        make_scorer: Builds the scorer, once per process; must be picklable when there are several.
        tasks: Clips, each with what it lacks.
        executor: Who does the work.
    """
    if executor.in_process:
        yield from make_scorer()(tasks)
        return
    make_worker = partial(_batch_scorer, make_scorer)
    size = max(1, min(TASKS_AT_ONCE, len(tasks) // (2 * executor.workers)))
    batches = [tasks[start : start + size] for start in range(0, len(tasks), size)]
    while batches:
        halves: list[Sequence[ScoreTask]] = []
        with closing(executor.run_tasks(make_worker, batches, stage=Stage.SCORE)) as results:
            for batch, result in results:
                if not isinstance(result, Lost):
                    yield from zip(batch, result, strict=True)
                elif len(batch) == 1:
                    yield batch[0], all_failed(batch[0], result.reason)
                else:
                    halves += [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
        batches = halves


def _batch_scorer(make_scorer: Callable[[], Scorer]) -> Callable[[Sequence[ScoreTask]], list[ScoredClip]]:
    return partial(_scores_of_batch, make_scorer())


def _scores_of_batch(scorer: Scorer, batch: Sequence[ScoreTask]) -> list[ScoredClip]:
    return [done for _, done in scorer(batch)]


def _make_scorer(metrics: Sequence[ChosenMetric], device: str) -> Scorer:
    from metrics.registry import build

    built = {one.metric_id: build(one.built_as, **one.options).to(device) for one in metrics}
    makers = {one.feature_id: built[one.metric_id] for one in metrics if one.feature_id}
    return partial(score_stream, built, makers, device)


def score_stream(
    metrics: dict[str, Any], makers: dict[str, Any], device: str, tasks: Iterable[ScoreTask]
) -> Iterator[Scored]:
    """Score tasks in their order, holding little more than two parts of clips, and what networks see of one pass.

    Args:
        metrics: metric_id -> metric.
        makers: feature_id -> a set metric that makes these features.
        device: Where networks compute.
        tasks: Clips, each with what it lacks.
    """
    per_pass = CLIPS_PER_PASS[device.partition(":")[0]]
    waiting: list[Halfway] = []
    for task, pieces in pieces_of_tasks(metrics, tasks):
        waiting.append(score_pieces(metrics, makers, task, pieces, device))
        if len(waiting) >= per_pass:
            yield from _finished(makers, waiting, per_pass)
            waiting = []
    yield from _finished(makers, waiting, per_pass)


def _finished(makers: dict[str, Any], waiting: Sequence[Halfway], per_pass: int) -> Iterator[Scored]:
    started = time.perf_counter()
    found: list[dict[str, np.ndarray | str]] = [{} for _ in waiting]
    for feature_id in dict.fromkeys(one for half in waiting for one in half.task.features):
        places = [place for place, half in enumerate(waiting) if feature_id in half.task.features]
        made = features_of_clips(makers[feature_id], [waiting[place].frames[feature_id] for place in places], per_pass)
        for place, one in zip(places, made, strict=True):
            found[place][feature_id] = one
    share = (time.perf_counter() - started) / max(len(waiting), 1)
    for half, made in zip(waiting, found, strict=True):
        yield (
            half.task,
            ScoredClip(
                rows=half.rows,
                features={key: one for key, one in made.items() if not isinstance(one, str)},
                no_features={key: one for key, one in made.items() if isinstance(one, str)},
                seconds=half.seconds + share,
            ),
        )
