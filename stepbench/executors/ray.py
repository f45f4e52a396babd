"""The Ray executor: workers are actors on one machine or many; a task whose worker or machine is lost goes elsewhere.

Clips go from the workers straight into the run folder, which all machines must see under one path. What travels through
Ray is a row per task. Rows are written by this process alone, with the same code as by the local executor.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.executors.protocol import Stage, Task, Worker
from stepbench.executors.ray_connection import connected
from stepbench.executors.ray_crew import Crew
from stepbench.executors.ray_worker import Place
from stepbench.runs.journal import saving

SCORER_GPUS = 0.25
"""GPU of a scoring actor: its networks are small beside a generator, and it waits for the decoder in between."""


@dataclass(frozen=True)
class RayExecutor:
    """Actors of a Ray cluster that this process is connected to.

    Attributes:
        ray: The connected module.
        workers: Actors per stage. Those that find no room wait for it while the others do their work.
        folder: The run folder.
        gpus: GPUs of an actor in each stage, all of them on one machine.
    """

    ray: Any
    workers: int
    folder: Path
    gpus: dict[Stage, float]

    @property
    def in_process(self) -> bool:
        """Never: also a single worker is an actor."""
        return False

    def run_tasks(
        self, make_worker: Callable[[], Worker], tasks: Sequence[Task], *, stage: Stage, timeout: float | None = None
    ) -> Generator[tuple[Task, Any]]:
        """Run every task and yield (task, result) as they finish.

        Raises:
            StepbenchError: A worker cannot be built; its own error where it has one.
            EnvironmentUnfitError: Workers die before they are ready, or do not see the run folder.
        IncompleteError: Nothing can be written there.
        """
        if not tasks:
            return
        with _marked(self.folder) as mark:
            crew = Crew(self.ray, make_worker, Place.here(mark), gpus=self.gpus[stage], timeout=timeout)
            yield from crew.run(tasks, min(self.workers, len(tasks)))


@contextmanager
def ray_executor(
    workers: int, folder: Path, *, device: str, address: str | None, gpus_per_model: int | None
) -> Iterator[RayExecutor]:
    """The executor, connected until the block ends.

    Args:
        workers: Actors per stage.
        folder: The run folder.
        device: Where networks of metrics compute: `cpu` or `cuda`.
        address: Of a cluster; None starts one on this machine.
        gpus_per_model: GPUs of a generator; None takes 1 where a machine has any.

    Raises:
        UsageError: A device with a number, or a negative number of GPUs.
        EnvironmentUnfitError: Ray is not there, or no machine has so many GPUs.
    """
    if device.startswith("cuda:"):
        raise UsageError(f"under Ray the device cannot be chosen by number, got {device!r}", hint="take cuda")
    if gpus_per_model is not None and gpus_per_model < 0:
        raise UsageError(f"--gpus-per-model must be at least 0, got {gpus_per_model}")
    with connected(address, workers) as ray:
        most = max((node["Resources"].get("GPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
        gpus = {
            Stage.GENERATE: float(min(1, most) if gpus_per_model is None else gpus_per_model),
            Stage.SCORE: SCORER_GPUS if device == "cuda" else 0.0,
        }
        for stage, wanted in gpus.items():
            if wanted > most:
                raise EnvironmentUnfitError(
                    f"a worker that is to {stage} needs {wanted:g} GPUs of one machine; none has more than {most:g}",
                    hint="start a larger machine into the cluster, lower --gpus-per-model, or take --metric-device cpu",
                )
        yield RayExecutor(ray, workers, folder, gpus)


@contextmanager
def _marked(folder: Path) -> Iterator[Path]:
    """A file in the run folder by which workers know that they see the same folder."""
    # The ending by which the end of a run finds what a killed command has left.
    mark = folder.absolute() / f".seen-by-ray-{uuid.uuid4().hex}.tmp"
    with saving(mark):
        mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)
