"""The local executor: the same work in this process or in N worker processes, with the same results.

A worker that dies (out of memory, a crash in native code, a time limit) costs one task, which is reported as such; the
others go on and a new worker takes the place.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from stepbench.errors import StepbenchError

Task = TypeVar("Task")
Worker = Callable[[Any], Any]

MAX_START_FAILURES = 3
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Lost:
    """Stands for the result of a task whose worker died or raised."""

    reason: str


def run_tasks(
    make_worker: Callable[[], Worker], tasks: Iterable[Task], *, workers: int = 1, timeout: float | None = None
) -> Iterator[tuple[Task, Any]]:
    """Run every task and yield (task, result) as they finish; a task that is lost yields a `Lost`.

    Args:
        make_worker: Builds the worker, once per process; must be picklable when processes are used.
        tasks: Anything picklable; taken one by one, so memory does not grow with their number.
        workers: 1 runs in this process unless there is a time limit.
        timeout: Seconds after which a task's worker is killed.

    Raises:
        StepbenchError: A worker cannot be built.
    """
    if workers == 1 and timeout is None:
        worker = make_worker()
        for task in tasks:
            yield task, _attempt(worker, task)
        return
    yield from _Pool(make_worker, workers, timeout).run(iter(tasks))


def _attempt(worker: Worker, task: Any) -> Any:
    try:
        return worker(task)
    except Exception as error:  # noqa: BLE001 - a lost task is recorded, the rest goes on
        return Lost(f"{type(error).__name__}: {error}")


@dataclass
class _Slot(Generic[Task]):
    process: Any
    connection: Connection
    task: Any = None
    busy: bool = False
    deadline: float | None = None
    ready: bool = field(default=False)


class _Pool:
    def __init__(self, make_worker: Callable[[], Worker], workers: int, timeout: float | None) -> None:
        self._make_worker = make_worker
        self._count = workers
        self._timeout = timeout
        # Forking a process that has threads or a GPU context in it is unsafe; spawning is the same everywhere.
        self._context = multiprocessing.get_context("spawn")
        self._start_failures = 0

    def run(self, tasks: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        slots = [self._start() for _ in range(self._count)]
        try:
            open_tasks = True
            while True:
                for slot in slots:
                    if open_tasks and slot.ready and not slot.busy:
                        open_tasks = self._give(slot, tasks)
                if not open_tasks and not any(slot.busy for slot in slots):
                    return
                yield from self._collect(slots)
        finally:
            for slot in slots:
                _stop(slot)

    def _start(self) -> _Slot:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(there, self._make_worker, os.getpid()), daemon=False)
        process.start()
        there.close()
        return _Slot(process=process, connection=here)

    def _give(self, slot: _Slot, tasks: Iterator[Any]) -> bool:
        for task in tasks:
            slot.task, slot.busy = task, True
            slot.deadline = time.monotonic() + self._timeout if self._timeout else None
            try:
                slot.connection.send(task)
            except ConnectionError:
                # The worker died between two tasks; `_collect` sees the closed pipe and reports the task as lost.
                return True
            return True
        return False

    def _collect(self, slots: list[_Slot]) -> Iterator[tuple[Any, Any]]:
        deadlines = [slot.deadline for slot in slots if slot.busy and slot.deadline is not None]
        patience = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        readable = wait([slot.connection for slot in slots], timeout=patience)
        for index, slot in enumerate(slots):
            if slot.connection in readable:
                try:
                    kind, payload = slot.connection.recv()
                except (EOFError, ConnectionError):
                    yield from self._replace(slots, index, "")
                    continue
                if kind == "ready":
                    slot.ready, self._start_failures = True, 0
                elif kind == "unfit":
                    raise payload if isinstance(payload, StepbenchError) else StepbenchError(payload)
                else:
                    task, slot.task, slot.busy, slot.deadline = slot.task, None, False, None
                    yield task, payload
            elif slot.busy and slot.deadline is not None and time.monotonic() >= slot.deadline:
                slot.process.kill()
                yield from self._replace(slots, index, f"timed out after {self._timeout:g} s")

    def _replace(self, slots: list[_Slot], index: int, reason: str) -> Iterator[tuple[Any, Any]]:
        slot = slots[index]
        slot.process.join()
        slot.connection.close()
        status = slot.process.exitcode or 0
        why = reason or (
            f"worker killed by {signal.Signals(-status).name}" if status < 0 else f"worker exited with {status}"
        )
        if not slot.ready:
            self._start_failures += 1
            if self._start_failures >= MAX_START_FAILURES:
                raise StepbenchError(f"workers do not start: {why}", hint="try --workers 1 to see the error itself")
        if slot.busy:
            yield slot.task, Lost(why)
        slots[index] = self._start()


def _stop(slot: _Slot) -> None:
    slot.connection.close()
    if slot.busy or not slot.ready:
        slot.process.terminate()
    slot.process.join(timeout=5)
    if slot.process.is_alive():
        slot.process.kill()
        slot.process.join()


def _serve(connection: Connection, make_worker: Callable[[], Worker], parent: int) -> None:
    """Body of a worker process: build the worker, then answer tasks until the pipe closes."""
    # Ctrl-C reaches the whole group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(parent)
    try:
        worker = make_worker()
    except StepbenchError as error:
        connection.send(("unfit", error))
        return
    except Exception:  # noqa: BLE001 - sent to the parent, which stops with it
        connection.send(("unfit", traceback.format_exc()))
        return
    try:
        connection.send(("ready", None))
        while True:
            connection.send(("result", _attempt(worker, connection.recv())))
    except (EOFError, ConnectionError):
        return


def _die_with(parent: int) -> None:
    """Let the system end this process when its parent is killed (Linux; elsewhere the closed pipe does it later)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
