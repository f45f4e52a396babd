"""`stepbench log runs/RUN --to tensorboard -o logs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode, UsageError


def log_command(
    runs: list[Path],
    /,
    *,
    to: Literal["tensorboard", "mlflow", "wandb", "hf-dataset"],
    out: Annotated[str, Parameter(name=["--out", "-o"])],
    step: int = 0,
    clips: int = 4,
    json: Json = False,
) -> int:
    """Log runs to an experiment tracker: metrics with intervals, groups, settings, a few clips.

    Exit code 12 with the line that installs it when a package is missing.

    Args:
        runs: Run folders.
        to: tensorboard, mlflow, wandb (offline unless WANDB_MODE=online), or hf-dataset (Parquet, clips and card).
        out: Folder to write into; for mlflow also the address of a tracking server, such as http://localhost:5000.
        step: Step of every number, such as the training step of the checkpoint that made the clips.
        clips: At most so many clips of every run; a data set folder has all of them.
    """
    from stepbench.tracking import log_run

    if to == "hf-dataset" and len(runs) > 1:
        raise UsageError(
            f"a data set folder holds one run, got {len(runs)}", hint="log every run to a folder of its own"
        )
    for run in runs:
        looked_at = log_run(run, to, out, step=step, clips=clips)
        if json:
            print_records([{"run": str(run), "to": to, "out": out, "look_at": looked_at}])
        note(f"{run} is logged; look at it: {looked_at}")
    return ExitCode.OK
