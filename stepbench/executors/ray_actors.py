"""The processes of one Ray worker: a single actor, or the ranks of one model, which share a machine and an end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stepbench.errors import StepbenchError
from stepbench.executors.protocol import Broken, Lost
from stepbench.executors.ray_worker import RayWorker

VERDICT_SECONDS = 10.0
"""How long the other ranks are waited for, once one of them is in trouble: whether one has died is known by then."""


@dataclass(frozen=True)
class Outfit:
    """What a worker gets.

    Attributes:
        gpus: GPUs, all of one machine; divided among the ranks.
        ranks: Processes.
    """

    gpus: float = 0.0
    ranks: int = 1


class WorkerActors:
    """One worker as actors. They are asked to get ready as soon as there is room for them.

    Attributes:
        ready: Answers None once all is built, or the error that ends the whole work.
        alarms: Answer only when something is wrong with a rank besides the first.

    Args:
        ray: The connected module.
        order: References of where and how to build.
        outfit: What it gets.
    """

    def __init__(self, ray: Any, order: Sequence[Any], outfit: Outfit) -> None:
        self._ray = ray
        self._group: Any = None
        # A lost actor is not started anew by Ray: where its task goes is decided by the crew.
        per_rank = {"num_cpus": 1, "num_gpus": outfit.gpus / outfit.ranks}
        actor = ray.remote(**per_rank, max_restarts=0, max_task_retries=0)(RayWorker)
        if outfit.ranks == 1:
            self._actors = [actor.remote()]
            self.alarms: list[Any] = []
            self.ready = self._actors[0].build.remote(*order)
            return
        self._actors = self._on_one_machine(actor, outfit)
        meetings = [one.meet.remote() for one in self._actors]
        first, *others = self._actors
        self.ready = first.build.remote(*order, 0, *meetings)
        self.alarms = [one.serve.remote(*order, rank, *meetings) for rank, one in enumerate(others, start=1)]

    def _on_one_machine(self, actor: Any, outfit: Outfit) -> list[Any]:
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        gpu = {"GPU": outfit.gpus / outfit.ranks} if outfit.gpus else {}
        # All of them or none: half a group would hold its GPUs and wait for ever.
        self._group = placement_group([{"CPU": 1.0, **gpu}] * outfit.ranks, strategy="STRICT_PACK")
        places = [PlacementGroupSchedulingStrategy(self._group, index) for index in range(outfit.ranks)]
        return [actor.options(scheduling_strategy=place).remote() for place in places]

    def work(self, task: Any) -> Any:
        """A reference to the result of a task, by all ranks."""
        return self._actors[0].work.remote(task)

    def outcome(self, answered: Any, awaited: Any) -> Any:
        """What came of the work.

        Args:
            answered: The reference that is there: what was waited for, or an alarm.
            awaited: What was waited for; None if nothing was.

        Returns:
            The result, in a `Broken` if the worker must be replaced; or the error that kept it from being built.

        Raises:
            RayError: A process of it has died.
        """
        if not self.alarms:
            return self._get(answered)
        if answered is awaited:
            result = self._get(answered)
            if not isinstance(result, Broken | Lost | StepbenchError):
                return result
        return self._verdict(awaited)

    def _verdict(self, awaited: Any) -> Any:
        everybody = self.alarms if awaited is None else [awaited, *self.alarms]
        there, _ = self._ray.wait(everybody, num_returns=len(everybody), timeout=VERDICT_SECONDS)
        # A rank that died is the cause of what the others tell of, and raises here.
        told = {reference: self._get(reference) for reference in there}
        own = told.pop(awaited, None)
        for error in (own, *told.values()):
            if isinstance(error, StepbenchError):
                return error
        result = own.result if isinstance(own, Broken) else own
        if result is not None and not isinstance(result, Lost):
            return Broken(result)
        numbers = {alarm: number for number, alarm in enumerate(self.alarms, start=1)}
        reasons = [f"rank {numbers[alarm]}: {one.reason}" for alarm, one in told.items() if isinstance(one, Lost)]
        return Broken(Lost(reasons[0]) if reasons else result or Lost("a rank ended too early"))

    def _get(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            gone = self._ray.exceptions.RayActorError, self._ray.exceptions.NodeDiedError
            if isinstance(error.cause, gone):
                # What it was to be given never came, because another rank had died.
                raise error.cause from None
            # The actor lives: its answer could not be sent.
            first_line = next(iter(str(error.cause).splitlines()), "")
            return Lost(f"{type(error.cause).__name__}: {first_line}")

    def end(self) -> None:
        """End all processes at once, and give their places back."""
        for actor in self._actors:
            self._ray.kill(actor)
        if self._group is not None:
            self._ray.util.remove_placement_group(self._group)
