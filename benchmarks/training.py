"""Speed and memory of training: `python benchmarks/training.py [--device cuda] [--stages flow dpo] [--quick]`.

Every stage of `tiny` goes through the real training loop, at the batch of its recipe, on latents drawn at random; the
VAE, and what encodes clips, gets clips of the moving-shapes world. The recipe and its variants, each with one switch
turned, make a few steps by turns, the order changing every round. Each round gives one ratio (seconds of the variant /
seconds of the recipe, below 1 the variant is faster) of steps made side by side, which a busy machine slows alike; what
is printed is a Markdown table with the median ratio, the lowest and the highest, and the median seconds. Peak memory is
that of tensors beside weights and data, optimiser and averages included, from two more steps that are not timed; on
GPUs it is the allocator's. "Optimiser alone" is its step without the rest, and its memory its state and what it works
with. `--quick` takes sizes of seconds, to see that it works; quote no numbers from it.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from training_tasks import TASKS, Place, measured_recipe, normal, uncached_flow_task

from reference_model.memory.live_bytes import LiveBytes
from reference_model.training.loop import train
from reference_model.training.optimiser import build_optimiser, trainable
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.task import TrainingTask

MEMORY_STEPS = 2
"""From the second step on, the optimiser's state is there while gradients are computed."""
TIMED_STEPS = {"cpu": 1, "cuda": 20}


@dataclass(frozen=True)
class Contender:
    """One way to do the same work."""

    name: str
    seconds: Callable[[], float]
    peak_bytes: Callable[[], int]


def contests(stage: str, place: Place) -> Iterator[tuple[str, list[Contender]]]:
    """What is compared at a stage: (what it is, contenders, the recipe first)."""
    recipe = measured_recipe(stage, place)
    other = "float32" if recipe.precision == "bfloat16" else "bfloat16"
    make = TASKS[stage]
    contenders = [
        loop_contender(place, f"recipe ({recipe.precision}, {recipe.matrix_optimiser})", make, recipe),
        loop_contender(place, other, make, replace(recipe, precision=other)),
        loop_contender(place, "gradient checkpointing", make, replace(recipe, gradient_checkpointing=True)),
    ]
    if stage == "flow":
        contenders.append(loop_contender(place, "every clip encoded anew", uncached_flow_task, recipe))
    yield f"{stage}, batch {recipe.batch_size}", contenders
    if recipe.matrix_optimiser == "muon":
        model = make(place, recipe).model
        names = {"muon": "muon (recipe)", "adamw": "adamw"}
        yield (
            f"{stage}, optimiser alone",
            [
                optimiser_contender(place, name, model, replace(recipe, matrix_optimiser=kind))
                for kind, name in names.items()
            ],
        )


def loop_contender(
    place: Place, name: str, make: Callable[[Place, Any], TrainingTask], recipe: TrainingRecipe
) -> Contender:
    """Steps of the training loop; the first one of every turn is not timed."""
    task, folder = make(place, recipe), Path(tempfile.mkdtemp(dir=place.folder))
    steps = TIMED_STEPS[place.device.type]

    def seconds() -> float:
        train(task, recipe, folder, max_steps=1 + steps, progress=False)
        with (folder / "log.csv").open(newline="", encoding="utf-8") as stream:
            return mean(float(row["seconds"]) for row in list(csv.DictReader(stream))[-steps:])

    def work() -> None:
        with tempfile.TemporaryDirectory(dir=place.folder) as nowhere:
            train(task, recipe, Path(nowhere), max_steps=MEMORY_STEPS, progress=False)

    return Contender(name, seconds, partial(peak_bytes, work, place.device))


def optimiser_contender(place: Place, name: str, model: torch.nn.Module, recipe: TrainingRecipe) -> Contender:
    """Steps of the optimiser alone, on gradients drawn at random."""
    optimiser, steps = build_optimiser(model, recipe), TIMED_STEPS[place.device.type]
    for number, (_, parameter) in enumerate(trainable(model)):
        parameter.grad = 1e-3 * normal(*parameter.shape, seed=number).to(parameter)

    def seconds() -> float:
        optimiser.step()
        finish(place.device)
        start = time.perf_counter()
        for _ in range(steps):
            optimiser.step()
        finish(place.device)
        return (time.perf_counter() - start) / steps

    return Contender(name, seconds, partial(peak_bytes, lambda: build_optimiser(model, recipe).step(), place.device))


def peak_bytes(work: Callable[[], None], device: torch.device) -> int:
    """Most bytes of tensors that some work has alive at once, beside those from before."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with LiveBytes() as live:
        work()
    return live.peak


def measure(name: str, contenders: Sequence[Contender], rounds: int) -> Iterator[dict[str, Any]]:
    """Times by turns, then measures memory; one row per contender, compared to the first."""
    seconds: list[list[float]] = [[] for _ in contenders]
    for number in range(rounds):
        order = range(len(contenders))
        for which in reversed(order) if number % 2 else order:
            seconds[which].append(contenders[which].seconds())
    peaks = [contender.peak_bytes() for contender in contenders]
    for contender, times, peak in zip(contenders, seconds, peaks, strict=True):
        by_round = [time / base for time, base in zip(times, seconds[0], strict=True)]
        yield {
            "stage": name,
            "variant": contender.name,
            "seconds": median(times),
            "steps_per_second": 1 / median(times),
            "ratio": median(by_round),
            "ratio_low": min(by_round),
            "ratio_high": max(by_round),
            "peak_bytes": peak,
            "peak_ratio": peak / peaks[0],
            "rounds": rounds,
        }


def finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


COLUMNS = ("stage", "variant", "s per step", "steps per s", "time", "lowest to highest", "peak MiB", "memory")


def table_line(row: dict[str, Any]) -> str:
    cells = (
        row["stage"],
        row["variant"],
        f"{row['seconds']:.4g}",
        f"{row['steps_per_second']:.3g}",
        f"x {row['ratio']:.2f}",
        f"{row['ratio_low']:.2f} to {row['ratio_high']:.2f}",
        f"{row['peak_bytes'] / 2**20:.1f}",
        f"x {row['peak_ratio']:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Training loops of the tiny model, and what their switches do.")
    parser.add_argument("--quick", action="store_true", help="sizes of seconds")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each variant")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    parser.add_argument("--device", choices=sorted(TIMED_STEPS), default="cpu")
    parser.add_argument("--stages", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--json", action="store_true", help="one JSON object per variant")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda, but PyTorch sees no GPU")
    torch.set_num_threads(options.threads)
    device = (
        torch.device(options.device, torch.cuda.current_device()) if options.device == "cuda" else torch.device("cpu")
    )
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    environment = {"torch": torch.__version__, "hardware": hardware, "threads": options.threads}
    if not options.json:
        print(", ".join(f"{key} {value}" for key, value in environment.items()), end="\n\n")
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for stage in options.stages:
        with tempfile.TemporaryDirectory(prefix="training-") as folder:
            side, batch_size = (32, 2) if options.quick else (64, None)
            place = Place(folder=Path(folder), device=device, side=side, batch_size=batch_size)
            for name, contenders in contests(stage, place):
                for row in measure(name, contenders, options.rounds):
                    print(json.dumps({**row, **environment}) if options.json else table_line(row), flush=True)


if __name__ == "__main__":
    main()
