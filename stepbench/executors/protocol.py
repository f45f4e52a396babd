"""What every executor does: run tasks in workers and hand back results as they come. The run folder does the rest."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

Task = TypeVar("Task")
Worker = Callable[[Any], Any]


class Stage(StrEnum):
    """What the tasks are for; an executor may give the stages different resources."""

    GENERATE = "generate"
    SCORE = "score"


@dataclass(frozen=True)
class Lost:
    """Stands for the result of a task whose worker died or raised."""

    reason: str


@dataclass(frozen=True)
class Broken:
    """A result after which the worker itself is of no use any more, and must be replaced.

    Attributes:
        result: What is handed back, unless another one of the worker's processes turns out to have died.
    """

    result: Any


class AskedToEnd(SystemExit):
    """A worker process is told to end. Any other `SystemExit` is a slip of the code that does the task."""


class Executor(Protocol):
    """Where tasks are run. It decides on places and times, never on results."""

    @property
    def workers(self) -> int:
        """How many tasks may be under way at once."""
        ...

    @property
    def in_process(self) -> bool:
        """Whether tasks are run in this very process, one after another."""
        ...

    def run_tasks(
        self, make_worker: Callable[[], Worker], tasks: Sequence[Task], *, stage: Stage, timeout: float | None = None
    ) -> Generator[tuple[Task, Any]]:
        """Run every task and yield (task, result) as they finish; a task that is lost yields a `Lost`.

        Args:
            make_worker: Builds the worker, once per process.
            tasks: Anything picklable, as are the results.
            stage: What they are for.
            timeout: Seconds a task may take.

        Raises:
            StepbenchError: A worker cannot be built.
        """
        ...


def attempt(worker: Worker, task: Any) -> Any:
    """The result of one task, or a `Lost` that says what the worker raised."""
    try:
        return worker(task)
    except AskedToEnd:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a lost task is recorded, the rest goes on
        return Lost(f"{type(error).__name__}: {error}")
