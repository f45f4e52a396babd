"""A task of a few numbers that has all that can go wrong in training: dropout, frozen weights, odd memory layouts."""

from __future__ import annotations

import csv
import math
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reference_model.training import distributed
from reference_model.training.checkpoints import load_state
from reference_model.training.data import step_generator
from reference_model.training.loop import train
from reference_model.training.recipe import TrainingRecipe

WIDTH = 4


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tanh(self.dropout(self.conv(x)))


class ToyModel(nn.Module):
    """The first convolution never learns, and processes call it as often as they like; the others' weights are in
    channels-last order."""

    def __init__(self, seed: int = 0, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.frozen = nn.ModuleList([nn.Conv2d(1, WIDTH, 3, padding=1)])
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.outlet = nn.Linear(WIDTH, 1)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        for block in self.blocks:
            block.dropout.p = dropout
            block.conv.to(memory_format=torch.channels_last)
        self.frozen.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(distributed.world()[0]):
            self.frozen[0](x)
        x = self.frozen[0](x)
        for block in self.blocks:
            x = block(x)
        return self.outlet(x.mean(dim=(2, 3)))


class ToyTask:
    """The mean of a picture is to be learnt. Losses are NaN from `breaks_at` on; a batch takes `pause` seconds."""

    def __init__(
        self, model: nn.Module | None = None, *, breaks_at: float = math.inf, pause: float = 0.0, opponent: Any = None
    ) -> None:
        self.model = model or ToyModel()
        self.breaks_at = breaks_at
        self.pause = pause
        self.opponent = opponent

    def batch(self, step: int, samples: Sequence[int]) -> Tensor:
        time.sleep(self.pause)
        return torch.stack([torch.randn(1, 4, 4, generator=step_generator(7, step, sample)) for sample in samples])

    def loss(
        self, model: nn.Module, batch: Tensor, step: int, samples: Sequence[int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        error = (model(batch)[:, 0] - batch.mean(dim=(1, 2, 3))).square().mean()
        if step >= self.breaks_at:
            error = error * torch.nan
        first = error if 0 in samples else torch.tensor(torch.nan)
        return error, {"double": 2 * error, "of_first": first}

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        (folder / f"{step}.txt").write_text("a preview")
        return {"answer": float(self.model(self.batch(10**6, range(3))).sum())}


def toy_recipe(**changes: Any) -> TrainingRecipe:
    base: dict[str, Any] = {"steps": 12, "batch_size": 4, "learning_rate": 0.01, "warmup_steps": 2}
    return TrainingRecipe(**{**base, "log_every": 2, "save_every": 3, "sample_every": 4, **changes})


def toy_run(folder: Path, task: ToyTask | None = None, *, legs: Mapping[str, Any] | None = None, **changes: Any) -> int:
    """Trains a new task quietly, on one thread everywhere; `legs` are arguments of `train`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return train(task or ToyTask(), toy_recipe(**changes), folder, progress=False, **(legs or {}))
    finally:
        torch.set_num_threads(threads)


def toy_process(folder: Path, pause: float, changes: Mapping[str, Any]) -> None:
    """`toy_run` in a process of its own."""
    # A test runner in the background ignores Ctrl-C and hands that down.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    toy_run(folder, ToyTask(pause=pause), **changes)


def toy_process_that_dies(folder: Path, at: int, changes: Mapping[str, Any]) -> None:
    """The same, until the so-manieth change of the disk."""
    from toy_process import die_at

    die_at(at)
    toy_run(folder, **changes)


def final_state(folder: Path) -> dict[str, Tensor]:
    """All tensors of the newest checkpoint."""
    state = load_state(folder / "checkpoints")
    assert state is not None
    tensors = {f"{part} {name}": value for part, values in state.tensors.items() for name, value in values.items()}
    return {"step": torch.tensor(state.step), **tensors}


def assert_same_run(one: Path, other: Path) -> None:
    """Bit for bit, the log included; only durations may differ."""
    first, second = final_state(one), final_state(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert log_rows(one) == log_rows(other)
    assert [file.name for file in sorted((one / "previews").iterdir())] == [
        file.name for file in sorted((other / "previews").iterdir())
    ]


def log_rows(folder: Path) -> list[dict[str, str]]:
    """The log without durations."""
    with (folder / "log.csv").open(newline="", encoding="utf-8") as stream:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(stream)]
