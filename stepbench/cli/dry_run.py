"""`stepbench run --dry-run`: what a run would make and cost, judged by earlier runs of the same generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode
from stepbench.runs.estimate import estimate


def print_estimate(
    generator: str, suite: str, selection: dict[str, Any], *, out: Path, workers: int, json: bool
) -> ExitCode:
    """Print samples, expected hours and disk; make nothing."""
    from stepbench import api
    from stepbench.generators.registry import make_generator
    from stepbench.suites import load_suite

    made = make_generator(generator)
    plan = api.plan(made, load_suite(suite), **selection)
    expected = estimate(plan, made, runs=out, workers=workers)
    record = {
        "run_id": api.default_run_id(plan, made),
        "samples": len(plan.samples),
        "prompts": len({sample.prompt.id for sample in plan.samples}),
        "seeds": len(selection["seeds"]),
        **expected,
    }
    if json:
        print_records([record])
        return ExitCode.OK
    print(f"{record['samples']} samples ({record['prompts']} prompts x {record['seeds']} seeds) as {record['run_id']}")
    hours = record["hours"]
    print(f"time: {f'{hours:.2f} h' if hours is not None else 'unknown'} ({record['hours_from']})")
    print(f"disk: {record['disk_bytes'] / 1e9:.3f} GB ({record['disk_from']})")
    note("nothing was made")
    return ExitCode.OK
