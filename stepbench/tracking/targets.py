"""Where runs can be logged to, what each place needs, and the one call that logs."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.errors import EnvironmentUnfitError, UsageError

if TYPE_CHECKING:
    from stepbench.runs.run import Run

TARGETS = ("tensorboard", "mlflow", "wandb", "hf-dataset")
PACKAGES = {"tensorboard": ("tensorboard",), "mlflow": ("mlflow", "sqlalchemy", "alembic"), "wandb": ("wandb",)}
"""Target -> modules it needs; each target's extra has its name."""


def log_run(run: str | Path | Run, to: str, out: str | Path, *, step: int = 0, clips: int = 4) -> str:
    """Log one run and say how to look at it.

    Args:
        run: Run folder or opened run.
        to: One of `TARGETS`.
        out: Folder; for MLflow also the address of a tracking server.
        step: Step of every number, such as the training step of the checkpoint that made the clips.
        clips: At most so many clips; a data set folder has all of them.

    Raises:
        UsageError: An unknown target, a negative step or count, or a data set folder that is not empty.
        EnvironmentUnfitError: A package is missing; the hint is the line that installs it.
        NothingSelectedError: The run has no score.
        IncompleteError: The target cannot be written.
    """
    if to not in TARGETS:
        raise UsageError(f"runs cannot be logged to {to!r}", hint=f"choose from {', '.join(TARGETS)}")
    for name, value in (("step", step), ("clips", clips)):
        if value < 0:
            raise UsageError(f"{name} must be 0 or more, got {value}")
    _require(to)
    from stepbench.runs.run import open_run
    from stepbench.tracking.content import logged

    opened = run if not isinstance(run, str | Path) else open_run(run)
    with tempfile.TemporaryDirectory(prefix="stepbench-log-") as scratch:
        content = logged(opened, scratch=Path(scratch), clips=clips if to != "hf-dataset" else 0)
        if to == "hf-dataset":
            from stepbench.tracking.to_hf_dataset import write_hf_dataset

            return write_hf_dataset(opened, content, str(out))
        if to == "tensorboard":
            from stepbench.tracking.to_tensorboard import log_to_tensorboard

            return log_to_tensorboard(content, str(out), step=step)
        if to == "mlflow":
            from stepbench.tracking.to_mlflow import log_to_mlflow

            return log_to_mlflow(content, str(out), step=step)
        from stepbench.tracking.to_wandb import log_to_wandb

        return log_to_wandb(content, str(out), step=step)


def _require(to: str) -> None:
    for package in PACKAGES.get(to, ()):
        try:
            module: Any = import_module(package)
        except ImportError as error:
            raise EnvironmentUnfitError(
                f"logging to {to} needs the package {package}, which cannot be imported ({error})",
                hint=f"pip install 'stepbench[{to}]'",
            ) from error
        # A folder of this name in the current one is found as an empty package where the real one is missing.
        if getattr(module, "__file__", None) is None:
            raise EnvironmentUnfitError(
                f"logging to {to} needs the package {package}; a folder of that name hides that it is missing",
                hint=f"pip install 'stepbench[{to}]'",
            )
