"""A Step-Video model over the processes of a `torchrun`."""

from __future__ import annotations

import os

from reference_model.errors import ReferenceModelError
from reference_model.parallel import ParallelConfig
from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.generators.registry import make_generator
from stepbench.generators.step_video import StepVideoGenerator


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
    made = make_generator(spec)
    if not isinstance(made, StepVideoGenerator):
        raise UsageError(
            f"{made.card.name} cannot be spread over processes, got {parallel}",
            hint="only step-video:FOLDER can; start others without torchrun, with --workers or --shard",
        )
    try:
        parallel.require_heads(made.preset.transformer)
        parallel.require_processes(started)
    except ReferenceModelError as error:
        raise UsageError(f"{made.card.name}: {error.message}", hint=error.hint) from error
    from reference_model.parallel.ranks import PATIENCE
    from reference_model.training.distributed import start

    try:
        device = start(os.environ.get("STEPBENCH_STEP_VIDEO_DEVICE") or "auto", patience=PATIENCE)
    except ReferenceModelError as error:
        raise EnvironmentUnfitError(f"{made.card.name}: {error.message}", hint=error.hint) from error
    made.parallel, made.device = parallel, str(device)
    return made
