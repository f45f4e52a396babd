"""What runs inside a Ray actor: the worker is built in the user's folder and environment, then answers tasks."""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepbench.errors import EnvironmentUnfitError, StepbenchError
from stepbench.executors.protocol import Lost, Worker, attempt

LOCAL = "127.0.0.1"
"""The ranks of a worker are on one machine."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the command was given, for workers on other machines to stand in the same place.

    Attributes:
        folder: Current folder; specs and reference clips may be named relative to it.
        environment: The variables that are ours.
        mark: A file that every worker must see.
    """

    folder: Path
    environment: Mapping[str, str]
    mark: Path

    @classmethod
    def here(cls, mark: Path) -> Place:
        """The place of this process."""
        own = {name: value for name, value in os.environ.items() if name.startswith("STEPBENCH_")}
        return cls(folder=Path.cwd(), environment=own, mark=mark)

    def enter(self) -> None:
        """Make it the place of this process.

        Raises:
            EnvironmentUnfitError: This machine does not see the run folder, or not the current one.
        """
        for what, path in {"run folder": self.mark.parent, "current folder": self.folder}.items():
            if not (path.is_dir() and (path != self.mark.parent or self.mark.exists())):
                raise EnvironmentUnfitError(
                    f"machine {socket.gethostname()} of the Ray cluster does not see the {what} {path}",
                    hint="put it on a file system that all machines mount under the same path",
                )
        os.chdir(self.folder)
        os.environ.update(self.environment)


@dataclass(frozen=True)
class Meeting:
    """Where a process that is going to be a rank can be met, and the GPUs that it was given, by number."""

    port: int
    gpus: str


class RayWorker:
    """The actor. It holds one worker, such as a generator with its model loaded, or is one rank of such a worker."""

    def meet(self) -> Meeting:
        """A port that is free here, for the other ranks; the libraries that need time to load are loaded first."""
        importlib.import_module("torch.distributed")
        with socket.socket() as free:
            free.bind((LOCAL, 0))
            return Meeting(free.getsockname()[1], os.environ.get("CUDA_VISIBLE_DEVICES", ""))

    def build(
        self, place: Place, make_worker: Callable[[], Worker], rank: int = 0, *meetings: Meeting
    ) -> StepbenchError | None:
        """Build the worker; an error that ends the whole work is the answer, not raised.

        Args:
            place: Where the command was given.
            make_worker: Builds it; all ranks call it at the same time.
            rank: Of this process.
            *meetings: Of all ranks, in their order, where there are several.
        """
        try:
            if meetings:
                os.environ.update(rank_environment(rank, meetings))
            place.enter()
            self._worker = make_worker()
        except StepbenchError as error:
            return error
        except Exception as error:  # noqa: BLE001 - sent to the command, which stops with it
            message = f"a worker cannot be built: {type(error).__name__}: {error}"
            return EnvironmentUnfitError(message, hint="try --executor local --workers 1 --debug to see where")
        return None

    def serve(
        self, place: Place, make_worker: Callable[[], Worker], rank: int, *meetings: Meeting
    ) -> StepbenchError | Lost | None:
        """As a rank besides the first: build, and take part until something goes wrong; what that was."""
        return self.build(place, make_worker, rank, *meetings) or self.work(None)

    def work(self, task: Any) -> Any:
        """The result of one task."""
        return attempt(self._worker, task)


def rank_environment(rank: int, meetings: Sequence[Meeting]) -> dict[str, str]:
    """What `torchrun` would set. Every rank sees the GPUs of all, and takes the one of its own number."""
    gpus = ",".join(one.gpus for one in meetings)
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(len(meetings)),
        "LOCAL_WORLD_SIZE": str(len(meetings)),
        "MASTER_ADDR": LOCAL,
        "MASTER_PORT": str(meetings[0].port),
        **({"CUDA_VISIBLE_DEVICES": gpus} if gpus.strip(",") else {}),
    }
