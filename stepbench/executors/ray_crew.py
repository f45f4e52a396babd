"""Ray actors at work on one list of tasks: who has which task, and what is done when one of them is lost."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stepbench.errors import EnvironmentUnfitError
from stepbench.executors.local import GRACE_SECONDS, MAX_START_FAILURES
from stepbench.executors.protocol import Broken, Lost, Worker
from stepbench.executors.ray_actors import Outfit, WorkerActors
from stepbench.executors.ray_worker import Place

TRIES = 3
"""A task whose worker is lost is given to another so often in all; then it is the task that ends workers."""

OUT_OF_MEMORY = "out of memory: the machine ended its worker"


@dataclass
class _Given:
    """A task and how many workers were lost over it."""

    task: Any
    losses: int = 0


@dataclass(eq=False)
class _Slot:
    """One worker, what it was asked, and the answer to come: None while it has nothing to do."""

    worker: WorkerActors
    answer: Any
    given: _Given | None = None
    deadline: float | None = None


class Crew:
    """So many workers; one that is lost is replaced while there are tasks for it.

    Args:
        ray: The connected module.
        make_worker: Builds the worker, once per actor.
        place: Where it is built.
        outfit: What each of them gets.
        timeout: Seconds a task may take.
    """

    def __init__(
        self, ray: Any, make_worker: Callable[[], Worker], place: Place, *, outfit: Outfit, timeout: float | None
    ) -> None:
        self._ray = ray
        self._timeout = timeout
        self._outfit = outfit
        # Stored once; it may hold the settings of a whole run.
        self._order = ray.put(place), ray.put(make_worker)
        self._start_failures = 0
        self._waiting: deque[_Given] = deque()

    def run(self, tasks: Sequence[Any], size: int) -> Iterator[tuple[Any, Any]]:
        """Yield (task, result) as they finish; close it to end the actors before that."""
        self._waiting.extend(_Given(task) for task in tasks)
        slots: list[_Slot] = []
        try:
            while self._waiting or any(slot.given for slot in slots):
                unasked = sum(slot.given is None for slot in slots)
                slots += [self._start() for _ in range(min(size - len(slots), len(self._waiting) - unasked))]
                for slot in slots:
                    if slot.answer is None and self._waiting:
                        self._give(slot)
                yield from self._collect(slots)
        finally:
            for slot in slots:
                slot.worker.end()

    def _start(self) -> _Slot:
        worker = WorkerActors(self._ray, self._order, self._outfit)
        return _Slot(worker, worker.ready)

    def _give(self, slot: _Slot) -> None:
        slot.given = self._waiting.popleft()
        slot.answer = slot.worker.work(slot.given.task)
        slot.deadline = None if self._timeout is None else time.monotonic() + self._timeout + GRACE_SECONDS

    def _collect(self, slots: list[_Slot]) -> Iterator[tuple[Any, Any]]:
        deadlines = [slot.deadline for slot in slots if slot.deadline is not None]
        patience = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        asked = {answer: slot for slot in slots for answer in (slot.answer, *slot.worker.alarms) if answer is not None}
        ready, _ = self._ray.wait(list(asked), timeout=patience)
        for answer in ready:
            yield from self._take(slots, asked[answer], answer)
        for slot in list(slots):
            if slot.given and slot.deadline is not None and time.monotonic() >= slot.deadline:
                yield slot.given.task, Lost(f"timed out after {self._timeout:g} s")
                self._give_up(slots, slot)

    def _take(self, slots: list[_Slot], slot: _Slot, answer: Any) -> Iterator[tuple[Any, Any]]:
        given = slot.given
        try:
            result = slot.worker.outcome(answer, slot.answer)
        except self._ray.exceptions.RayError as error:
            self._give_up(slots, slot)
            if given is None:
                self._count_start_failure(_reason(error))
            else:
                yield from self._lost(given, error)
            return
        if isinstance(result, Broken):
            self._give_up(slots, slot)
        slot.given = slot.answer = slot.deadline = None
        if given is not None:
            yield given.task, result.result if isinstance(result, Broken) else result
        elif isinstance(result, Broken):
            self._count_start_failure(result.result.reason)
        elif isinstance(result, Lost):
            raise EnvironmentUnfitError(
                f"a worker cannot be built: {result.reason}", hint="every machine needs the same stepbench, and Python"
            )
        elif result is not None:
            raise result
        else:
            self._start_failures = 0

    def _lost(self, given: _Given, error: Exception) -> Iterator[tuple[Any, Any]]:
        given.losses += 1
        if _is_out_of_memory(error):
            # Elsewhere it would need as much. A batch of clips comes back in halves.
            yield given.task, Lost(OUT_OF_MEMORY)
        elif given.losses >= TRIES:
            yield given.task, Lost(f"{given.losses} workers were lost over it; the last: {_reason(error)}")
        else:
            self._waiting.append(given)

    def _give_up(self, slots: list[_Slot], slot: _Slot) -> None:
        slot.worker.end()
        slots.remove(slot)

    def _count_start_failure(self, reason: str) -> None:
        self._start_failures += 1
        if self._start_failures >= MAX_START_FAILURES:
            raise EnvironmentUnfitError(
                f"Ray workers do not start: {reason}",
                hint="try --executor local --workers 1 to see the error itself",
            )


def _is_out_of_memory(error: Exception) -> bool:
    return type(error).__name__ == "OutOfMemoryError" or "NODE_OUT_OF_MEMORY" in str(error)


def _reason(error: Exception) -> str:
    """One line of the many that Ray writes."""
    text = str(error)
    if "node has died" in text or type(error).__name__ == "NodeDiedError":
        return "its machine is gone"
    return "its process died"
