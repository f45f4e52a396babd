"""What the processes of a torchrun do in the tests: train every folder named on the command line to its end."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from training_models import VelocityTask, vae_task
from training_toys import ToyModel, ToyTask, toy_recipe

from reference_model.training import distributed
from reference_model.training.loop import train
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.task import TrainingTask
from reference_model.training.vae import VAERecipe

BASE = {"steps": 6, "batch_size": 4, "log_every": 1, "save_every": 2, "sample_every": 3, "warmup_steps": 1}


def prepared(name: str) -> tuple[TrainingTask, TrainingRecipe]:
    """`<task>-<strategy>-<anything>`."""
    task, strategy, *options = name.split("-")
    changes = {**BASE, "strategy": strategy}
    if "parts" in options:
        changes |= {"micro_batch_size": 1}
    if "recomputed" in options:
        changes |= {"gradient_checkpointing": True}
    if task == "toy":
        return ToyTask(ToyModel(dropout=0.0)), toy_recipe(**changes)
    if task == "velocity":
        return VelocityTask(), TrainingRecipe(**changes, learning_rate=1e-3)
    adversarial = {"adversarial_weight": 0.1, "adversarial_start": 2} if task == "adversarial" else {}
    recipe = VAERecipe(**changes, learning_rate=1e-3, held_out=2, **adversarial)
    return vae_task(recipe), recipe


def trained(folder: Path, steps: int | None = None) -> int:
    """`steps` more steps of the run that the folder's name stands for."""
    torch.set_num_threads(1)
    task, recipe = prepared(folder.name)
    return train(task, recipe, folder, max_steps=steps, progress=False)


if __name__ == "__main__":
    distributed.start("cpu")
    for argument in sys.argv[1:]:
        trained(Path(argument))
    distributed.stop()
    distributed.leave()
