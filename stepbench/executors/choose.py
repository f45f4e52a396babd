"""Which executor a command asked for, opened for as long as the command lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from stepbench.errors import UsageError
from stepbench.executors.local import LocalExecutor, require_workers
from stepbench.executors.protocol import Executor

ExecutorName = Literal["local", "ray"]


@contextmanager
def open_executor(
    name: str,
    *,
    workers: int = 1,
    folder: Path,
    device: str = "cpu",
    address: str | None = None,
    gpus_per_model: int | None = None,
    gpus_per_scorer: float | None = None,
    ranks: int = 1,
) -> Iterator[Executor]:
    """The executor, until the block ends.

    Args:
        name: `local` or `ray`.
        workers: Processes, or Ray actors.
        folder: What the workers write into. Workers elsewhere must see it too.
        device: Where the networks of metrics compute.
        address: Of a Ray cluster; None starts one inside this process.
        gpus_per_model: GPUs of one machine that a generator holds under Ray; None takes one per rank, if any.
        gpus_per_scorer: Share of a GPU that a scoring worker on `cuda` holds under Ray; None takes a quarter.
        ranks: Processes of a generator under Ray.

    Raises:
        UsageError: Options that do not go together, or another name.
    """
    require_workers(workers)
    if name == "local":
        if not (address is None and gpus_per_model is None and gpus_per_scorer is None):
            raise UsageError(
                "--ray-address, --gpus-per-model and --gpus-per-scorer are for --executor ray",
                hint="add it, or leave them out",
            )
        if ranks > 1:
            raise UsageError(
                f"{ranks} processes that share every clip are started by torchrun or by --executor ray",
                hint=f"start torchrun --standalone --nproc-per-node {ranks}, or add --executor ray",
            )
        yield LocalExecutor(workers)
        return
    if name != "ray":
        raise UsageError(f"an executor is local or ray, got {name!r}")
    from stepbench.executors.ray import ray_executor

    with ray_executor(
        workers,
        folder,
        device=device,
        address=address,
        gpus_per_model=gpus_per_model,
        gpus_per_scorer=gpus_per_scorer,
        ranks=ranks,
    ) as executor:
        yield executor
