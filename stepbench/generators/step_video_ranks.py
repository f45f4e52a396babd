"""A Step-Video model over several processes: of a `torchrun`, or the ranks of one Ray worker."""

from __future__ import annotations

import os
from dataclasses import dataclass

from reference_model.errors import ReferenceModelError
from reference_model.parallel import ParallelConfig
from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.generators.ranks import OtherRank, RankedGenerator, control_group
from stepbench.generators.registry import make_generator
from stepbench.generators.step_video import StepVideoGenerator


def spreadable(spec: str, parallel: ParallelConfig) -> StepVideoGenerator:
    """The generator, once it is sure that its model can be shared in this way; refuses settings that cannot.

    Args:
        spec: `step-video:FOLDER` or a packaged name.
        parallel: Degrees.

    Raises:
        UsageError: Another generator, or degrees that do not fit the model.
    """
    made = make_generator(spec)
    if not isinstance(made, StepVideoGenerator):
        raise UsageError(
            f"{made.card.name} cannot be spread over processes, got {parallel}",
            hint="only step-video:FOLDER can; start others without torchrun, with --workers or --shard",
        )
    try:
        parallel.require_heads(made.preset.transformer)
    except ReferenceModelError as error:
        raise UsageError(f"{made.card.name}: {error.message}", hint=error.hint) from error
    made.parallel = parallel
    return made


def spread(spec: str, parallel: ParallelConfig, *, started: int) -> StepVideoGenerator:
    """This process' part of a generator; all processes call it alike. Nothing is loaded before the first clip.

    Args:
        spec: `step-video:FOLDER` or a packaged name.
        parallel: Degrees.
        started: Processes of the job.

    Raises:
        UsageError: Another generator, or degrees that fit neither the model nor the number of processes.
        EnvironmentUnfitError: More processes than GPUs on a machine.
    """
    made = spreadable(spec, parallel)
    try:
        parallel.require_processes(started)
    except ReferenceModelError as error:
        raise UsageError(f"{made.card.name}: {error.message}", hint=error.hint) from error
    from reference_model.parallel.ranks import PATIENCE
    from reference_model.training.distributed import start

    try:
        device = start(os.environ.get("STEPBENCH_STEP_VIDEO_DEVICE") or "auto", patience=PATIENCE)
    except ReferenceModelError as error:
        raise EnvironmentUnfitError(f"{made.card.name}: {error.message}", hint=error.hint) from error
    made.device = str(device)
    return made


@dataclass(frozen=True)
class SpreadSpec:
    """A generator over ranks that an executor starts, each of which joins.

    Attributes:
        spec: `step-video:FOLDER` or a packaged name.
        parallel: Degrees; their product is the number of ranks.
    """

    spec: str
    parallel: ParallelConfig

    def join_ranks(self) -> RankedGenerator | OtherRank:
        """This rank's part, once all have met: rank 0 gets the generator. Errors: `spread`."""
        made = spread(self.spec, self.parallel, started=int(os.environ["WORLD_SIZE"]))
        control = control_group()
        return RankedGenerator(made, control) if os.environ["RANK"] == "0" else OtherRank(made, control)
