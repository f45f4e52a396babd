"""The Ray executor: workers are actors on one machine or many; a task whose worker or machine is lost goes elsewhere.

Clips go from the workers straight into the run folder, which all machines must see under one path. What travels through
Ray is a row per task. Rows are written by this process alone, with the same code as by the local executor.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.executors.protocol import Stage, Task, Worker
from stepbench.executors.ray_actors import Outfit
from stepbench.executors.ray_connection import connected, require_address
from stepbench.executors.ray_crew import Crew
from stepbench.executors.ray_worker import Place
from stepbench.runs.journal import saving

SCORER_GPUS = 0.25
"""GPU of a scoring worker: its networks are small beside a generator, and it waits for the decoder in between. Each
decodes for itself, so that the fewer of it one takes, the more clips are decoded at once for the same GPU."""


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that this process is connected to.

    Attributes:
        ray: The connected module.
        outfits: What a worker gets in each stage.
    """

    ray: Any
    outfits: dict[Stage, Outfit]


@dataclass(frozen=True)
class RayExecutor:
    """Workers of a Ray cluster, which is connected to, or started, once there is anything to do.

    Attributes:
        workers: Workers per stage. Those that find no room wait for it while the others do their work.
        folder: The run folder.
        cluster: Gives the cluster; called again it gives the same one.
    """

    workers: int
    folder: Path
    cluster: Callable[[], Cluster]

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
            EnvironmentUnfitError: Ray is not there, no machine has room for a worker, workers die before they are
                ready, or do not see the run folder.
            IncompleteError: Nothing can be written there.
        """
        if not tasks:
            return
        cluster = self.cluster()
        with _marked(self.folder) as mark:
            crew = Crew(cluster.ray, make_worker, Place.here(mark), outfit=cluster.outfits[stage], timeout=timeout)
            yield from crew.run(tasks, min(self.workers, len(tasks)))


@contextmanager
def ray_executor(
    workers: int,
    folder: Path,
    *,
    device: str,
    address: str | None,
    gpus_per_model: int | None,
    gpus_per_scorer: float | None = None,
    ranks: int = 1,
) -> Iterator[RayExecutor]:
    """The executor, until the block ends; what is known without Ray is checked at once.

    Args:
        workers: Workers per stage.
        folder: The run folder.
        device: Where networks of metrics compute: `cpu` or `cuda`.
        address: Of a cluster; None starts one on this machine.
        gpus_per_model: GPUs of a generator; None takes one per rank where a machine has any.
        gpus_per_scorer: Share of a GPU of a scoring worker on `cuda`; None takes `SCORER_GPUS`.
        ranks: Processes of a generator, all on one machine.

    Raises:
        UsageError: No address of a cluster, a device with a number, or a number of GPUs that is negative, or another
            one than that of the ranks; or a share of a GPU that is none.
    """
    require_address(address)
    if device.startswith("cuda:"):
        raise UsageError(f"under Ray the device cannot be chosen by number, got {device!r}", hint="take cuda")
    require_gpus(gpus_per_model, ranks)
    if gpus_per_scorer is not None and not 0 < gpus_per_scorer <= 1:
        raise UsageError(f"--gpus-per-scorer must be above 0 and at most 1, got {gpus_per_scorer:g}")
    share = (gpus_per_scorer or SCORER_GPUS) if device == "cuda" else 0.0
    with ExitStack() as ends:

        @cache
        def cluster() -> Cluster:
            ray = ends.enter_context(connected(address, workers * ranks))
            return Cluster(ray, _outfits(ray, gpus_per_model=gpus_per_model, gpus_per_scorer=share, ranks=ranks))

        yield RayExecutor(workers, folder, cluster)


def require_gpus(gpus_per_model: int | None, ranks: int) -> None:
    """Refuse a number of GPUs that is no number, or another one than that of the ranks, each of which has one.

    Raises:
        UsageError: As said.
    """
    if gpus_per_model is not None and gpus_per_model < 0:
        raise UsageError(f"--gpus-per-model must be at least 0, got {gpus_per_model}")
    if ranks > 1 and gpus_per_model not in (None, 0, ranks):
        raise UsageError(
            f"the degrees of parallelism take {ranks} processes of one GPU each, got --gpus-per-model {gpus_per_model}",
            hint=f"leave --gpus-per-model out, or choose degrees whose product is {gpus_per_model}; 0 means CPUs",
        )


def _outfits(ray: Any, *, gpus_per_model: int | None, gpus_per_scorer: float, ranks: int) -> dict[Stage, Outfit]:
    """What workers get, once it is sure that a machine has so much."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    most = {kind: max((machine.get(kind, 0) for machine in machines), default=0) for kind in ("GPU", "CPU")}
    wanted = (ranks if most["GPU"] else 0) if gpus_per_model is None else gpus_per_model
    gpus = {Stage.GENERATE: float(wanted), Stage.SCORE: gpus_per_scorer}
    for stage, number in gpus.items():
        if number > most["GPU"]:
            raise EnvironmentUnfitError(
                f"a worker that is to {stage} needs {number:g} GPUs of one machine; none has more than {most['GPU']:g}",
                hint="start a larger machine into the cluster, lower --gpus-per-model, or take --metric-device cpu",
            )
    if 1 < ranks > most["CPU"]:
        raise EnvironmentUnfitError(
            f"a generator of {ranks} processes needs as many cores of one machine; none has more than {most['CPU']:g}",
            hint="start a larger machine into the cluster, or choose lower degrees of parallelism",
        )
    return {Stage.GENERATE: Outfit(gpus[Stage.GENERATE], ranks), Stage.SCORE: Outfit(gpus[Stage.SCORE])}


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
