"""`stepbench run --dry-run`: what a run would make and cost, judged by earlier runs of the same generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.cli.output import note, print_records
from stepbench.cli.parallel import rank
from stepbench.errors import ExitCode
from stepbench.runs.estimate import estimate

if TYPE_CHECKING:
    from stepbench.cli.parallel import ParallelOptions


def print_estimate(
    generator: str,
    suite: str,
    selection: dict[str, Any],
    *,
    metrics: list[str] | None,
    reference: Path | None,
    out: Path,
    run_id: str | None,
    workers: int,
    shard: tuple[int, int] | None,
    gpus_per_model: int | None,
    parallel: ParallelOptions,
    json: bool,
) -> ExitCode:
    """Print samples, expected hours and disk, and how a clip is shared; make nothing.

    Raises:
        UsageError: What the run itself would refuse, degrees of parallelism that do not fit the model included.
    """
    from stepbench import api
    from stepbench.executors.ray import require_gpus
    from stepbench.suites import load_suite

    degrees = parallel.planned()
    require_gpus(gpus_per_model, degrees.processes if degrees else 1)
    api.check_run_id(run_id)
    made = api.planning_generator(generator, degrees)
    plan = api.plan(made, load_suite(suite), **selection)
    api.check_metrics(plan, metrics, reference)
    expected = estimate(plan, made, runs=out, workers=workers, shard=shard)
    record = {
        "run_id": run_id or api.default_run_id(plan, made),
        "samples": expected["samples"],
        "prompts": len({sample.prompt.id for sample in plan.samples}),
        "seeds": len(selection["seeds"]),
        **expected,
        **({"parallel": str(degrees), "processes": degrees.processes} if degrees else {}),
    }
    if rank():
        return ExitCode.OK
    if json:
        print_records([record])
        return ExitCode.OK
    part = f", shard {shard[0]}/{shard[1]}" if shard else ""
    plan_size = f"{record['prompts']} prompts x {record['seeds']} seeds{part}"
    print(f"{record['samples']} samples ({plan_size}) as {record['run_id']}")
    hours = record["hours"]
    print(f"time: {f'{hours:.2f} h' if hours is not None else 'unknown'} ({record['hours_from']})")
    print(f"disk: {record['disk_bytes'] / 1e9:.3f} GB ({record['disk_from']})")
    if degrees:
        print(f"each clip on {degrees.processes} GPUs: {degrees}")
    note("nothing was made")
    return ExitCode.OK
