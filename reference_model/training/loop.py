"""The training loop, the same for every recipe."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from reference_model.errors import CheckpointError, TrainingError
from reference_model.training import distributed
from reference_model.training.blocks import recomputed
from reference_model.training.checkpoints import TrainingState, frozen_fingerprint, load_state, save_state
from reference_model.training.data import step_generator
from reference_model.training.ema import MovingAverage
from reference_model.training.interrupts import DeferredSignals
from reference_model.training.log import TrainingLog
from reference_model.training.optimiser import build_optimiser, optimiser_state, restore_optimiser, set_rate, trainable
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.run_folder import check_recipe, write_recipe
from reference_model.training.task import AdversarialTask, ReferencedTask, TrainingTask

CHECKPOINTS = "checkpoints"


def train(
    task: TrainingTask,
    recipe: TrainingRecipe,
    folder: Path,
    *,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    progress: bool = True,
) -> int:
    """Trains until `recipe.steps`, from the newest checkpoint in `folder` if there is one.

    An interrupted and continued run ends with the same weights as one that was never interrupted; on one device, to
    the last bit. Checkpoints hold what is trained and nothing else: weights with `requires_grad=False`, and buffers,
    are the caller's to bring again. Ctrl-C and SIGTERM take effect after the current step, once there is a checkpoint.
    With several processes (`distributed.start`) all of them call this, with a folder that all of them see.

    Args:
        task: On the device where it is to be trained.
        recipe: See `TrainingRecipe`.
        folder: Gets `recipe.json`, `log.csv`, `checkpoints/` and `previews/`.
        max_steps: Stop after this many steps of this call, with a checkpoint.
        max_seconds: Stop before the step that would end later than this, but after the first one, with a checkpoint;
            for machines that are lent for a limited time.
        progress: Show a bar with the time left on stderr.

    Returns:
        Steps done so far, `recipe.steps` once the run is finished.

    Raises:
        ConfigError: If the folder holds a run of another recipe, or the batch does not divide among the processes.
        CheckpointError: If the newest checkpoint cannot be read, does not fit the model, what it does not train or its
            reference, or a new one cannot be written; those from before stay as they were.
        TrainingError: If the loss or its gradient is no longer a number; nothing of that step is kept.
    """
    deadline = math.inf if max_seconds is None else time.monotonic() + max_seconds
    folder.mkdir(parents=True, exist_ok=True)
    check_recipe(recipe, folder)
    run = _Run(task, recipe, folder)
    run.restore()
    distributed.barrier()
    if distributed.is_main():
        write_recipe(recipe, folder)
    end = recipe.steps if max_steps is None else min(recipe.steps, run.step + max_steps)
    with DeferredSignals() as signals, recomputed(task.model, enabled=recipe.gradient_checkpointing):
        run.go(end, deadline, signals, progress=progress and distributed.is_main())
    return run.step


class _Run:
    def __init__(self, task: TrainingTask, recipe: TrainingRecipe, folder: Path) -> None:
        self.task, self.recipe, self.folder = task, recipe, folder
        self.samples = distributed.own_samples(recipe.batch_size)
        self.frozen = frozen_fingerprint(task.model)
        self.reference = task.reference_fingerprint if isinstance(task, ReferencedTask) else None
        self.model = distributed.wrap(task.model, recipe.strategy)
        self.optimiser = build_optimiser(task.model, recipe)
        self.average = MovingAverage(task.model, recipe.ema_decay)
        self.opponent = task.opponent if isinstance(task, AdversarialTask) else None
        self.device = next(task.model.parameters()).device
        self.step = 0

    def restore(self) -> None:
        """Goes to where the newest checkpoint was written, if there is one.

        Raises:
            CheckpointError: What is not trained, or the reference, is another one than when the run was started.
        """
        state = load_state(self.folder / CHECKPOINTS)
        if state is None:
            return
        if state.numbers.get("frozen", self.frozen) != self.frozen:
            raise CheckpointError(
                f"the weights that {self.folder} does not train are others than when it was started",
                hint="load the weights that the run was started from",
            )
        # Checkpoints of earlier versions do not say.
        if state.numbers.get("reference", self.reference) != self.reference:
            raise CheckpointError(
                f"the reference model is another one than when {self.folder} was started",
                hint="load the weights that the run was started from, not trained or exported ones",
            )
        self.step = state.step
        distributed.copy_whole(state.tensors["model"], dict(trainable(self.task.model)))
        distributed.copy_whole(state.tensors["ema"], self.average.weights)
        restore_optimiser(self.optimiser, self.task.model, state.tensors["optimiser"])
        if self.opponent is not None:
            self.opponent.load_state(state.tensors["opponent"])

    def save(self) -> None:
        """Writes a checkpoint."""
        parts = {
            "model": dict(trainable(self.task.model)),
            "ema": self.average.weights,
            "optimiser": optimiser_state(self.optimiser, self.task.model),
        }
        if self.opponent is not None:
            parts["opponent"] = self.opponent.state()
        tensors = {part: distributed.whole_tensors(values) for part, values in parts.items()}
        if distributed.is_main():
            numbers = {"frozen": self.frozen, "reference": self.reference, "recipe": self.recipe.to_dict()}
            state = TrainingState(step=self.step, tensors=tensors, numbers=numbers)
            save_state(state, self.folder / CHECKPOINTS, keep=self.recipe.keep_checkpoints)
        distributed.barrier()

    def go(self, end: int, deadline: float, signals: DeferredSignals, *, progress: bool) -> None:
        """Makes steps until one of the reasons to stop, and leaves a checkpoint."""
        log = TrainingLog(self.folder / "log.csv", start=self.step) if distributed.is_main() else None
        with log or nullcontext(), _bar(disable=not progress) as bar:
            shown = bar.add_task("training", total=self.recipe.steps, completed=self.step)
            while self.step < end:
                figures = self._one_step()
                bar.update(shown, completed=self.step, description=f"loss {figures['loss']:.4f}")
                overdue = time.monotonic() + figures["seconds"] > deadline
                stopping = distributed.any_process(overdue or signals.received is not None)
                row = figures if self._is_due(self.recipe.log_every) else {}
                if self._is_due(self.recipe.sample_every) or self.step == self.recipe.steps:
                    row = row | self._evaluate()
                if row and log is not None:
                    log.add(self.step, row)
                if self._is_due(self.recipe.save_every) or stopping or self.step == end:
                    self.save()
                if stopping:
                    return

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0

    def _one_step(self) -> dict[str, float]:
        began = time.monotonic()
        rate = self.recipe.rate_at(self.step)
        set_rate(self.optimiser, rate)
        self.task.model.train()
        with _own_random_numbers(self.recipe.seed, self.step, self.device):
            loss, measures = self._gradients()
        norm = nn.utils.clip_grad_norm_([value for _, value in trainable(self.task.model)], self.recipe.clip_norm)
        figures = {"loss": loss.item(), "grad_norm": (norm.full_tensor() if isinstance(norm, DTensor) else norm).item()}
        self._check_numbers(figures)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.average.update(self.task.model, self.step)
        if self.opponent is not None:
            measures |= self.opponent.learn(rate)
        self.step += 1
        figures = distributed.mean(figures | {key: value.item() for key, value in measures.items()})
        return {**figures, "rate": rate, "seconds": time.monotonic() - began}

    def _gradients(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and measures of this process' samples, whose gradients are left in the parameters."""
        parts = _parts(self.samples, self.recipe.micro_batch_size or len(self.samples))
        weights = [len(samples) / len(self.samples) for samples in parts]
        losses, measured = [], []
        for number, (samples, weight) in enumerate(zip(parts, weights, strict=True), start=1):
            batch = self.task.batch(self.step, samples)
            with distributed.accumulating(self.model, last=number == len(parts)):
                with self._autocast():
                    loss, measures = self.task.loss(self.model, batch, self.step, samples)
                (loss * weight).backward()
            losses.append(loss.detach())
            measured.append(measures)
        means = {key: _known_mean([one[key].detach() for one in measured], weights) for key in measured[0]}
        return sum((loss * weight for loss, weight in zip(losses, weights, strict=True)), torch.zeros(())), means

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16")

    def _check_numbers(self, figures: dict[str, float]) -> None:
        if distributed.any_process(not all(map(math.isfinite, figures.values()))):
            values = ", ".join(f"{key} {value}" for key, value in figures.items())
            raise TrainingError(
                f"training has broken down at step {self.step}: {values}",
                hint="the last checkpoint is from before that; start again with a lower learning_rate in a new folder",
            )

    def _evaluate(self) -> dict[str, float]:
        self.task.model.eval()
        weights, previews = self.average.applied(self.task.model), _previews(self.folder)
        # Every process computes the same, since sharded models need all of them; the main one keeps the previews.
        with weights, distributed.gathered(self.task.model), previews as folder, torch.no_grad():
            values = self.task.evaluate(folder, self.step)
        return {f"test_{key}": value for key, value in values.items()}


@contextmanager
def _previews(folder: Path) -> Iterator[Path]:
    if distributed.is_main():
        previews = folder / "previews"
        previews.mkdir(exist_ok=True)
        yield previews
    else:
        with tempfile.TemporaryDirectory() as nowhere:
            yield Path(nowhere)


@contextmanager
def _own_random_numbers(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Layers that draw random numbers themselves, such as dropout, draw from a stream that belongs to the step."""
    state = step_generator(seed, step, distributed.world()[0]).initial_seed()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(state)
        yield


def _known_mean(values: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Weighted mean of those that are not NaN; NaN if all are."""
    stacked = torch.stack([value.float() for value in values])
    known = torch.tensor(weights, device=stacked.device) * ~stacked.isnan()
    return (stacked.nan_to_num(posinf=math.inf, neginf=-math.inf) * known).sum() / known.sum()


def _parts(samples: Sequence[int], size: int) -> list[Sequence[int]]:
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def _bar(*, disable: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), disable=disable)
