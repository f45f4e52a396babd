"""Options of `run` and `generate` for one clip on many devices, and what becomes of them under `torchrun`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
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
    """Under torchrun: how its processes share every clip; see docs/parallelism.md. No result depends on it.

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

    def config(self) -> ParallelConfig:
        """The degrees, checked.

        Raises:
            UsageError: A degree below 1.
        """
        from reference_model.errors import ReferenceModelError
        from reference_model.parallel import ParallelConfig

        try:
            return ParallelConfig(
                tensor=self.tensor_parallel,
                ulysses=self.ulysses,
                guidance=self.guidance_parallel,
                vae=not self.no_vae_parallel,
            )
        except ReferenceModelError as error:
            raise UsageError(error.message, hint=error.hint) from error


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
    rank = int(os.environ.get("RANK", "0"))
    if rank:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        from stepbench.generators.step_video_ranks import spread

        made = spread(spec, options.config(), started=started_processes())
    except StepbenchError as error:
        if rank == 0:
            raise
        _end_after_rank_0(error)
    from stepbench.generators.ranks import work_on_ranks

    return work_on_ranks(made, rank, work)


def _end_after_rank_0(error: StepbenchError) -> None:
    # All ranks meet the same error, and one of them is enough to say so; torchrun ends this one when it has.
    time.sleep(PATIENCE_SECONDS)
    sys.exit(error.exit_code)
