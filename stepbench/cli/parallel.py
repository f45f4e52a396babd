"""Options of `run` and `generate` for one clip on many devices, and what becomes of them under `torchrun`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from stepbench.errors import StepbenchError, UsageError

if TYPE_CHECKING:
    from reference_model.parallel import ParallelConfig
    from stepbench.generators.protocol import Generator

PATIENCE_SECONDS = 30.0
"""How long another rank waits for rank 0 to say what is wrong."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ParallelOptions:
    """How processes share every clip, those of torchrun or of each Ray worker; see docs/parallelism.md.

    Attributes:
        tensor_parallel: Cut the transformer's linear layers into so many parts.
        ulysses: Cut the video's tokens into so many runs.
        guidance_parallel: Prompt and negative prompt on different halves of the processes.
        no_vae_parallel: Only rank 0 decodes.
    """

    tensor_parallel: int = 1
    ulysses: int = 1
    guidance_parallel: Annotated[bool, Parameter(negative="")] = False
    no_vae_parallel: Annotated[bool, Parameter(negative="")] = False

    @property
    def is_asked_for(self) -> bool:
        """Whether there is anything to share, or anybody to share it with."""
        return started_processes() > 1 or self != ParallelOptions(no_vae_parallel=self.no_vae_parallel)

    def planned(self) -> ParallelConfig | None:
        """The degrees, None without any; only under torchrun is it known how many processes there are.

        Raises:
            UsageError: A degree below 1, or degrees that do not fit the processes that torchrun started.
        """
        if not self.is_asked_for:
            return None
        degrees, started = self.config(), started_processes()
        if started > 1:
            with _as_usage():
                degrees.require_processes(started)
        return degrees

    def config(self) -> ParallelConfig:
        """The degrees, checked.

        Raises:
            UsageError: A degree below 1.
        """
        from reference_model.parallel import ParallelConfig

        with _as_usage():
            return ParallelConfig(
                tensor=self.tensor_parallel,
                ulysses=self.ulysses,
                guidance=self.guidance_parallel,
                vae=not self.no_vae_parallel,
            )


@contextmanager
def _as_usage() -> Iterator[None]:
    from reference_model.errors import ReferenceModelError

    try:
        yield
    except ReferenceModelError as error:
        raise UsageError(error.message, hint=error.hint) from error


def rank() -> int:
    """Number of this process in its job, as torchrun says."""
    return int(os.environ.get("RANK", "0"))


def started_processes() -> int:
    """Processes of this job, as torchrun says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def on_all_ranks(spec: str, options: ParallelOptions, work: Callable[[Generator], int]) -> int:
    """Does the work on rank 0, with the generator spread over all ranks.

    Raises:
        UsageError: Before anything is loaded: a generator that cannot be spread, or degrees that fit neither the model
            nor the number of processes.
        EnvironmentUnfitError: More processes than GPUs.
    """
    own = rank()
    if own:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        from stepbench.generators.step_video_ranks import spread

        made = spread(spec, options.config(), started=started_processes())
    except StepbenchError as error:
        if own == 0:
            raise
        _end_after_rank_0(error)
    from stepbench.generators.ranks import work_on_ranks

    return work_on_ranks(made, own, work)


def _end_after_rank_0(error: StepbenchError) -> None:
    # All ranks meet the same error, and one of them is enough to say so; torchrun ends this one when it has.
    time.sleep(PATIENCE_SECONDS)
    sys.exit(error.exit_code)
