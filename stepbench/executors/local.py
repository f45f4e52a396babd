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
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Generic

from stepbench.errors import EnvironmentUnfitError, StepbenchError, UsageError
from stepbench.executors.protocol import AskedToEnd, Lost, Stage, Task, Worker, attempt

MAX_START_FAILURES = 3
GRACE_SECONDS = 1.0
STOP_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1


def require_workers(workers: int) -> None:
    """Refuse a number of workers below 1.

    Raises:
        UsageError: It is below 1.
    """
    if workers < 1:
        raise UsageError(f"workers must be at least 1, got {workers}", hint="give the number of processes")


@dataclass(frozen=True)
class LocalExecutor:
    """This process, or N worker processes on this machine.

    Raises:
        UsageError: Fewer than one worker.
    """

    workers: int = 1

    def __post_init__(self) -> None:
        require_workers(self.workers)

    @property
    def in_process(self) -> bool:
        """Whether there is no need for a second process, time limits aside."""
        return self.workers == 1

    def run_tasks(
        self, make_worker: Callable[[], Worker], tasks: Sequence[Task], *, stage: Stage, timeout: float | None = None
    ) -> Generator[tuple[Task, Any]]:
        """As the function `run_tasks`; both stages get the same processes."""
        return run_tasks(make_worker, tasks, workers=self.workers, timeout=timeout)


THIS_PROCESS = LocalExecutor()


def run_tasks(
    make_worker: Callable[[], Worker], tasks: Sequence[Task], *, workers: int = 1, timeout: float | None = None
) -> Generator[tuple[Task, Any]]:
    """Run every task and yield (task, result) as they finish; a task that is lost yields a `Lost`.

    Args:
        make_worker: Builds the worker, once per process; must be picklable when processes are used.
        tasks: Anything picklable.
        workers: 1 runs in this process unless there is a time limit. No more are started than there are tasks.
        timeout: Seconds a task may take. A worker that watches the limit itself has a moment more to say so; then it
            is ended.

    Yields:
        Task and result. Close the generator to end the workers before all tasks are done.

    Raises:
        StepbenchError: A worker cannot be built; its own error where it has one.
        EnvironmentUnfitError: Workers die before they are ready, or cannot be built for a reason that is no
            `StepbenchError`.
    """
    if workers == 1 and timeout is None:
        worker = make_worker()
        for task in tasks:
            yield task, attempt(worker, task)
        return
    if tasks:
        yield from _Pool(make_worker, min(workers, len(tasks)), timeout).run(iter(tasks))


@dataclass
class _Slot(Generic[Task]):
    process: Any
    connection: Connection
    task: Any = None
    busy: bool = False
    deadline: float | None = None
    ready: bool = field(default=False)


@contextmanager
def _cores_shared_by(workers: int) -> Iterator[None]:
    """Processes that start here get their share of the cores; else each would start a thread on every core.

    Several times slower is what that costs on small models. A number that the user has set stays.
    """
    if "OMP_NUM_THREADS" in os.environ:
        yield
        return
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]


class _Pool:
    def __init__(self, make_worker: Callable[[], Worker], workers: int, timeout: float | None) -> None:
        self._make_worker = make_worker
        self._count = workers
        self._timeout = timeout
        # Forking a process that has threads or a GPU context in it is unsafe; spawning is the same everywhere.
        self._context = multiprocessing.get_context("spawn")
        self._start_failures = 0

    def run(self, tasks: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        slots: list[_Slot] = []
        try:
            for _ in range(self._count):
                slots.append(self._start())
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
                slot.connection.close()
                if slot.busy or not slot.ready:
                    slot.process.terminate()
            for slot in slots:
                _join(slot.process)

    def _start(self) -> _Slot:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(there, self._make_worker, os.getpid()), daemon=False)
        with _cores_shared_by(self._count):
            process.start()
        there.close()
        return _Slot(process=process, connection=here)

    def _give(self, slot: _Slot, tasks: Iterator[Any]) -> bool:
        for task in tasks:
            slot.task, slot.busy = task, True
            slot.deadline = time.monotonic() + self._timeout + GRACE_SECONDS if self._timeout is not None else None
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
                except (EOFError, OSError):
                    # Closed, or cut off in the middle of an answer.
                    yield from self._replace(slots, index, "")
                    continue
                if kind == "ready":
                    slot.ready, self._start_failures = True, 0
                elif kind == "unfit":
                    raise payload
                else:
                    task, slot.task, slot.busy, slot.deadline = slot.task, None, False, None
                    yield task, payload
            elif slot.busy and slot.deadline is not None and time.monotonic() >= slot.deadline:
                slot.process.terminate()
                yield from self._replace(slots, index, f"timed out after {self._timeout:g} s")

    def _replace(self, slots: list[_Slot], index: int, reason: str) -> Iterator[tuple[Any, Any]]:
        slot = slots[index]
        # The pipe of a dying worker may close a moment before it is gone; one that lives on without it is no use.
        _join(slot.process)
        slot.connection.close()
        status = slot.process.exitcode or 0
        why = reason or (
            f"worker killed by {signal.Signals(-status).name}" if status < 0 else f"worker exited with {status}"
        )
        if not slot.ready:
            self._start_failures += 1
            if self._start_failures >= MAX_START_FAILURES:
                raise EnvironmentUnfitError(
                    f"workers do not start: {why}", hint="try --workers 1 to see the error itself"
                )
        if slot.busy:
            yield slot.task, Lost(why)
        slots[index] = self._start()


def _join(process: Any) -> None:
    process.join(timeout=STOP_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()


def _serve(connection: Connection, make_worker: Callable[[], Worker], parent: int) -> None:
    """Body of a worker process: build the worker, then answer tasks until the pipe closes."""
    # Ctrl-C reaches the whole group; the parent alone decides what it means, and asks with SIGTERM. A worker that is
    # asked to end must first end the program it may be running.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    _die_with(parent)
    try:
        worker = make_worker()
    except StepbenchError as error:
        connection.send(("unfit", error))
        return
    except Exception as error:  # noqa: BLE001 - sent to the parent, which stops with it
        message = f"a worker cannot be built: {type(error).__name__}: {error}"
        connection.send(("unfit", EnvironmentUnfitError(message, hint="try --workers 1 --debug to see where")))
        return
    try:
        connection.send(("ready", None))
        while True:
            connection.send(("result", attempt(worker, connection.recv())))
    except (EOFError, ConnectionError):
        return


def _leave(signal_number: int, _: object) -> None:
    raise AskedToEnd(128 + signal_number)


def _die_with(parent: int) -> None:
    """Let the system end this process when its parent is killed (Linux; elsewhere the closed pipe does it later)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
