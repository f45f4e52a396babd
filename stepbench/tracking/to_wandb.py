"""A run into Weights & Biases, offline unless the user asked for more: scalars, config, tables, clips."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stepbench.errors import IncompleteError
from stepbench.runs.journal import saving
from stepbench.tracking.content import Logged

PROJECT = "stepbench"
COLUMNS = ("metric", "cut", "group", "mean", "low", "high", "n_units", "n_scored", "n_planned", "direction", "unit")


def log_to_wandb(content: Logged, out: str, *, step: int) -> str:
    """Log one run below the folder `out` and return what to do next.

    Nothing leaves this machine unless `WANDB_MODE=online` is set: offline runs wait for `wandb sync`. The project is
    `stepbench`, or what `WANDB_PROJECT` says.

    Raises:
        IncompleteError: The folder cannot be written, or Weights & Biases fails.
    """
    import wandb
    from wandb.errors import Error

    folder = Path(out).resolve()
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
    mode: Any = os.environ.get("WANDB_MODE", "offline")
    try:
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=content.name,
            group=content.group,
            job_type="evaluation",
            notes="\n\n".join(content.report.summary),
            dir=str(folder),
            mode=mode,
            config=dict(content.parameters),
            reinit="create_new",
            # The command's own output is no result, and the machine that logs need not be the one that made the clips.
            settings=wandb.Settings(console="off", silent=True, disable_git=True, x_disable_stats=True),
        )
        rows = [asdict(row) for row in content.report.rows]
        table = wandb.Table(columns=list(COLUMNS), data=[[row[name] for name in COLUMNS] for row in rows])
        clips = {
            f"clips/{clip.name}": wandb.Video(str(clip.preview), caption=clip.caption, format="mp4")
            for clip in content.clips
        }
        run.log({**content.numbers, **clips, "metrics": table}, step=step)
        run.finish()
    except (Error, OSError) as error:
        raise IncompleteError(
            f"Weights & Biases took no or not all results: {error}",
            hint="log offline, which is the default, and sync later",
        ) from error
    return f"wandb sync {Path(run.dir).parent}" if mode == "offline" else str(run.url)
