"""Training steps of sharded models; runs on all ranks of a group, a group of one being the plain case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dpo_toys import toy_model, toy_pairs
from torch.distributed.tensor import DTensor
from training_models import VelocityTask

from reference_model.training import distributed
from reference_model.training.dpo import DPORecipe, DPOTask
from reference_model.training.loop import train
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.task import TrainingTask

Weights = dict[str, np.ndarray]
STEPS = {"steps": 2, "batch_size": 4, "warmup_steps": 1, "log_every": 1, "strategy": "fsdp"}


def flow(folder: Path) -> tuple[int, Weights]:
    """The transformer with recomputed blocks: how many of its parameters are cut, and its weights after two steps."""
    task = VelocityTask()
    recipe = TrainingRecipe(**STEPS, gradient_checkpointing=True, learning_rate=1e-3)  # type: ignore[arg-type]
    return _after(task, recipe, folder)


def preferences(folder: Path, lora_rank: int) -> tuple[int, Weights]:
    """Video-DPO of adapters, or of all weights (rank 0)."""
    recipe = DPORecipe(**STEPS, micro_batch_size=1, beta=100.0, learning_rate=3e-4, lora_rank=lora_rank)  # type: ignore[arg-type]
    pairs = toy_pairs(8)
    return _after(DPOTask(toy_model(), recipe, pairs, pairs[:2]), recipe, folder)


def _after(task: TrainingTask, recipe: TrainingRecipe, folder: Path) -> tuple[int, Weights]:
    train(task, recipe, folder, progress=False)
    parameters = dict(task.model.named_parameters())
    cut = sum(isinstance(value, DTensor) for value in parameters.values())
    return cut, {name: value.numpy() for name, value in distributed.whole_tensors(parameters).items()}
