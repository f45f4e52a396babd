"""A finished training run as a model card tells of it: what was done, on what, and how long it took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reference_model.training.run_folder import RECIPE_FILE
from stepbench.errors import UsageError
from stepbench.training.run_record import LOG_FILE, RECORD_FILE


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """What the folder of a run of `stepbench train` says.

    Attributes:
        stage: `vae`, `flow`, `distill` or `dpo`.
        log: One row per logged step, in order; absent figures are NaN.
        recipe: Settings.
        data: What it learned from.
        environment: See `capture_environment`; that of the call which came last.
    """

    stage: str
    log: pd.DataFrame
    recipe: Mapping[str, Any]
    data: str
    environment: Mapping[str, Any]

    @property
    def steps(self) -> int:
        """Steps that were made."""
        return int(self.log["step"].iloc[-1])

    @property
    def samples(self) -> int:
        """Clips, or pairs of clips, that the steps saw, repeated ones counted anew."""
        return self.steps * int(self.recipe["batch_size"])

    @property
    def minutes(self) -> float:
        """Of the steps alone: mean time of the logged ones, for all."""
        return float(np.mean(self.log["seconds"].to_numpy())) * self.steps / 60

    @property
    def machine(self) -> str:
        """Processors, and how many threads of the CPU were asked for."""
        cpu, threads = self.environment["cpu"], self.environment.get("variables", {}).get("OMP_NUM_THREADS")
        gpus = [gpu["name"] for gpu in self.environment["gpus"]]
        asked = f", OMP_NUM_THREADS={threads}" if threads else ""
        return ", ".join([*gpus, f"{cpu['count']} cores of {cpu['model']}{asked}"])

    @property
    def software(self) -> str:
        """Versions that numbers depend on most."""
        versions = {"Python": self.environment["python"], "torch": (self.environment["torch"] or {}).get("version")}
        return ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def read_training_run(out: Path, stage: str) -> TrainingRun:
    """The run of a stage of `python -m stepbench.training.tiny`.

    Args:
        out: Folder of all stages.
        stage: Its folder below.

    Raises:
        UsageError: There is no such run, it has no logged step, or a file of it is damaged.
    """
    folder = out / stage
    missing = [name for name in (LOG_FILE, RECIPE_FILE, RECORD_FILE) if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"no training run at {folder}: {missing[0]} is missing",
            hint=f"give the folder that `python -m stepbench.training.tiny --out` filled, with stage {stage} done",
        )
    try:
        log = pd.read_csv(folder / LOG_FILE)
        recipe = json.loads((folder / RECIPE_FILE).read_text(encoding="utf-8"))
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        # A row that is being written may still lack its end.
        log = log.dropna(subset=["seconds"]).reset_index(drop=True)
        run = TrainingRun(
            stage=stage, log=log, recipe=recipe, data=record["origin"]["data"], environment=record["environment"]
        )
        if log.empty:
            raise ValueError(f"{LOG_FILE} has no rows")
        # What a card cannot do without, asked for here so that a damaged file is named.
        _ = run.samples, run.machine, run.software
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder} cannot be read: {error}", hint="restore its files, or train it again") from error
    return run
