"""A short run of Video-DPO, started by `torchrun` from a test: folder, strategy, rank of the adapters."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from dpo_toys import toy_model, toy_pairs

from reference_model.training import distributed
from reference_model.training.dpo import DPORecipe, DPOTask
from reference_model.training.loop import train


def run(folder: Path, strategy: str, rank: int) -> None:
    recipe = DPORecipe(
        steps=4,
        batch_size=4,
        micro_batch_size=1,
        beta=100.0,
        learning_rate=3e-4,
        warmup_steps=1,
        lora_rank=rank,
        log_every=1,
        strategy=strategy,  # type: ignore[arg-type]
    )
    pairs = toy_pairs(16)
    for steps in (2, None):
        train(DPOTask(toy_model(), recipe, pairs, pairs[:2]), recipe, folder, max_steps=steps, progress=False)


if __name__ == "__main__":
    torch.set_num_threads(1)
    distributed.start("cpu")
    run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    distributed.stop()
    distributed.leave()
