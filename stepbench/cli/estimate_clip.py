"""`stepbench generate --dry-run`: what one clip would cost, for generators that can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stepbench.cli.output import note, number, print_records, print_table
from stepbench.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from stepbench.cli.parallel import ParallelOptions


def print_clip_estimate(
    generator: str,
    prompt: str,
    *,
    seed: int,
    settings: dict[str, Any],
    rates: dict[str, Any],
    parallel: ParallelOptions,
    json: bool,
) -> ExitCode:
    """Print operations, memory and time of one clip; make nothing and load no weights."""
    from stepbench.generators.registry import make_generator
    from stepbench.records import Prompt

    made = make_generator(generator)
    estimate = getattr(made, "estimate", None)
    if estimate is None:
        raise UsageError(
            f"{made.card.name} cannot tell what a clip costs", hint="step-video:FOLDER can; time a short run of others"
        )
    asked = Prompt(id="prompt", text=prompt, language="und", category="")
    resolved = made.resolve(asked, seed, {**made.card.defaults, **settings})
    if parallel.is_asked_for:
        rates = {**rates, "parallel": parallel.config()}
    expected = estimate(resolved, **rates)
    if json:
        print_records([{"generator": made.card.name, "settings": resolved, **expected}])
        return ExitCode.OK
    rows = [
        {
            "stage": stage["stage"] + (f" (at {stage['served_by']})" if stage["served_by"] else ""),
            "parameters": f"{stage['parameters']:,}",
            "weights": _gigabytes(stage["weight_bytes"]),
            "activations": _gigabytes(stage["activation_bytes"]),
            "TFLOP": stage["flops"] / 1e12,
        }
        for stage in expected["stages"]
    ]
    size = "x".join(str(resolved[name]) for name in ("frames", "height", "width"))
    print_table(rows, list(rows[0]), title=f"{made.card.name}, one clip of {size} in {resolved['steps']} steps")
    print(f"operations: {number(expected['flops'])} FLOP, {number(expected['flops_per_step'])} per step")
    print(f"peak memory of one device: {_gigabytes(expected['peak_bytes'])} with all weights on it,")
    print(f"  {_gigabytes(expected['offloaded_peak_bytes'])} with STEPBENCH_STEP_VIDEO_OFFLOAD=stages")
    if expected["seconds"] is None:
        print("time: unknown; give the sustained speed of the device with --tflops")
    else:
        print(f"time: {number(expected['seconds'])} s at {number(expected['tflops'])} sustained TFLOP/s")
    if expected.get("parallel"):
        _print_parallel(expected["parallel"])
    published = [
        {
            "published by": row["source"],
            "size": row["size"],
            "GPUs": row["gpus"],
            "s per step": row["seconds_per_step"],
            "implied TFLOP/s per GPU": row["implied_tflops_per_gpu"],
            "utilisation": "" if row["implied_utilisation"] is None else f"{row['implied_utilisation']:.0%}",
        }
        for row in expected["published"]
    ]
    print_table(published, list(published[0]), title="what times of the released model imply")
    note("an estimate by formula; workspace of kernels and loading are not in it; nothing was made")
    return ExitCode.OK


def _print_parallel(shared: dict[str, Any]) -> None:
    weights, activations = _gigabytes(shared["weight_bytes"]), _gigabytes(shared["activation_bytes"])
    print(f"on {shared['processes']} devices, {shared['plan']}:")
    print(f"  peak memory of each: {_gigabytes(shared['peak_bytes'])}, {weights} weights and {activations} activations")
    received = shared["received_bytes_per_step"]
    by_kind = ", ".join(f"{kind} {_gigabytes(count)}" for kind, count in received.items())
    print(f"  each receives {_gigabytes(sum(received.values()))} per step" + (f": {by_kind}" if by_kind else ""))
    if shared["seconds"] is None:
        print("  time: unknown; give the sustained speed of one device with --tflops")
    else:
        each = f"{number(shared['seconds_per_step'])} s per step, transfers at {number(shared['bandwidth'])} GB/s in it"
        print(f"  time: {number(shared['seconds'])} s ({each})")


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.3g} GB"
