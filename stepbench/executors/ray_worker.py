"""What runs inside a Ray actor: the worker is built in the user's folder and environment, then answers tasks."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepbench.errors import EnvironmentUnfitError, StepbenchError
from stepbench.executors.protocol import Worker, attempt


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


class RayWorker:
    """The actor. It holds one worker, such as a generator with its model loaded."""

    def build(self, place: Place, make_worker: Callable[[], Worker]) -> StepbenchError | None:
        """Build the worker; an error that ends the whole work is the answer, not raised."""
        try:
            place.enter()
            self._worker = make_worker()
        except StepbenchError as error:
            return error
        except Exception as error:  # noqa: BLE001 - sent to the command, which stops with it
            message = f"a worker cannot be built: {type(error).__name__}: {error}"
            return EnvironmentUnfitError(message, hint="try --executor local --workers 1 --debug to see where")
        return None

    def work(self, task: Any) -> Any:
        """The result of one task."""
        return attempt(self._worker, task)
