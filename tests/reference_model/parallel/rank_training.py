"""Training steps of sharded models; runs on all ranks of a group, a group of one being the plain case."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dpo_toys import toy_model, toy_pairs
from rank_loading import CountedSlice, held
from torch.distributed.tensor import DTensor
from training_models import VelocityTask

from reference_model.checkpoint import load_text_encoder, load_transformer
from reference_model.checkpoint.sources import SafetensorsSource
from reference_model.training import distributed
from reference_model.training.dpo import DPORecipe, DPOTask
from reference_model.training.loop import train
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.sharded_start import ShardedStart
from reference_model.training.task import TrainingTask
from reference_model.training.text_states import PromptedTransformer

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


def from_folder(folder: Path, root: Path, lora_rank: int | None) -> dict[str, Any]:
    """A model folder trained by flow matching (rank None) or Video-DPO; of several processes each reads its parts."""
    asked: list[int] = []
    slices = SafetensorsSource.slices
    SafetensorsSource.slices = lambda source: ((name, CountedSlice(one, asked)) for name, one in slices(source))
    start = ShardedStart(root, device=torch.device("cpu")) if distributed.world()[1] > 1 else None
    transformer = start.transformer() if start else load_transformer(root, dtype=torch.float32)
    whole = sum(value.numel() for value in transformer.parameters())
    model = PromptedTransformer(transformer, load_text_encoder(root, dtype=torch.float32), train_text=False)
    # Of two ranks the second one meets all its prompts in the first step, the first one a new one in the second.
    pairs = [replace(pair, prompt="a red circle" if n % 2 else f"circle {n}") for n, pair in enumerate(toy_pairs(8))]
    if lora_rank is None:
        if start:
            start.cut(model)
        task: TrainingTask = _Velocities(model)
        recipe = TrainingRecipe(**STEPS, learning_rate=1e-3)  # type: ignore[arg-type]
    else:
        recipe = DPORecipe(**STEPS, micro_batch_size=1, beta=100.0, learning_rate=3e-4, lora_rank=lora_rank)  # type: ignore[arg-type]
        task = DPOTask(model, recipe, pairs, pairs[:2], weights=start)
    read = {"read": sum(asked), "largest": max(asked, default=0)}
    cut, weights = _after(task, recipe, folder)
    numbers = json.loads(next((folder / "checkpoints").glob("*/state.json")).read_text(encoding="utf-8"))
    prints = (numbers["frozen"], numbers["reference"])
    return {"cut": cut, "weights": weights, "whole": whole, "held": held(transformer) // 4, "prints": prints, **read}


class _Velocities(VelocityTask):
    """Of another model, with its prompts."""

    def __init__(self, model: PromptedTransformer) -> None:
        super().__init__()
        self.model = model  # type: ignore[assignment]

    def loss(self, model, batch, step, samples):  # type: ignore[no-untyped-def]
        prompts = [f"circle {sample}" if step else "a red circle" for sample in samples]
        times = torch.tensor([(sample + 0.5) / 4 for sample in samples])
        return (model(batch, times, prompts) - torch.linspace(-1, 1, 4)).square().mean(), {}


def _after(task: TrainingTask, recipe: TrainingRecipe, folder: Path) -> tuple[int, Weights]:
    train(task, recipe, folder, progress=False)
    parameters = dict(task.model.named_parameters())
    cut = sum(isinstance(value, DTensor) for value in parameters.values())
    return cut, {name: value.numpy() for name, value in distributed.whole_tensors(parameters).items()}
