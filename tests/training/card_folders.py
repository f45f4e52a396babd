"""Run folders and packed models as the model cards are made from, at toy size."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from reference_model.config import SamplingConfig
from stepbench.training.recipes import RECIPES
from stepbench.training.tiny_card_curves import PANELS

LAST_STAGE = {"tiny": "flow", "tiny-turbo": "distill", "tiny-dpo": "dpo"}
ENVIRONMENT = {
    "python": "3.11.7",
    "cpu": {"model": "Some CPU", "count": 2},
    "gpus": [],
    "torch": {"version": "2.15.0"},
    "variables": {"OMP_NUM_THREADS": "1"},
}


def write_run(out, stage, *, rows=40, data="moving-shapes version 1", environment=ENVIRONMENT):
    """A run of the packaged recipe, with every column that its panels show; half of its steps took 1 s, half 2 s."""
    folder = out / stage
    folder.mkdir(parents=True)
    recipe = RECIPES["tiny"][stage]()
    steps = np.linspace(recipe.steps / rows, recipe.steps, rows).astype(int)
    log = pd.DataFrame({"step": steps, "loss": 1 / steps, "seconds": np.where(np.arange(rows) % 2, 1.0, 2.0)})
    for number, column in enumerate(column for panel in PANELS[stage] for column in panel.lines):
        values = np.sqrt(steps + number)
        log[column] = np.where(np.arange(rows) % 8 == 7, values, np.nan) if column.startswith("test_") else values
    log.to_csv(folder / "log.csv", index=False)
    (folder / "recipe.json").write_text(json.dumps(recipe.to_dict(), default=list), encoding="utf-8")
    origin = {"stage": stage, "model": str(out / "models" / "tiny"), "data": data}
    record = {"version": 1, "origin": origin, "began": "2026-01-01", "environment": environment}
    (folder / "origin.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def write_weights(folder):
    (folder / "transformer").mkdir(parents=True)
    tensors = {"a": np.zeros((30, 40), np.float16), "b": np.zeros(5, np.float16)}
    save_file(tensors, folder / "transformer" / "w.safetensors")


def write_export(out, name, step=None):
    """The model of a variant as its last run exported it."""
    folder = out / "models" / name
    write_weights(folder)
    state = {"step": RECIPES["tiny"][LAST_STAGE[name]]().steps if step is None else step}
    (folder / "training.json").write_text(json.dumps(state), encoding="utf-8")


def write_packed(weights, name):
    folder = weights / name
    write_weights(folder)
    if name == "tiny-dpo":
        (folder / "base.json").write_text('{"folder": "../tiny"}', encoding="utf-8")
        return folder
    own = {"num_steps": 5, "guidance_scale": 1.0} if name == "tiny-turbo" else {"num_steps": 20, "guidance_scale": 3.0}
    settings = {**SamplingConfig().to_dict(), "num_frames": 17, "height": 48, "width": 64, "fps": 8.0, **own}
    (folder / "sampling.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
