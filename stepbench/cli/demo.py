"""`stepbench demo`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from stepbench.cli.compare import print_comparison
from stepbench.cli.options import Json, Out, Workers
from stepbench.cli.output import interval, note, number, print_records, print_table
from stepbench.cli.print_ratings import print_ratings
from stepbench.errors import ExitCode


def demo_command(
    *, out: Out = Path("runs"), workers: Workers | None = None, limit: int | None = None, json: Json = False
) -> int:
    """The whole loop on the built-in world: suite, clips, metrics, comparison, simulated votes, leaderboard. Offline.

    Args:
        workers: Processes; one per core, up to 4, unless given.
        limit: Prompts of the suite to use, 48 unless given.
    """
    from stepbench.demo import LIMIT, run_demo

    workers = min(4, os.cpu_count() or 1) if workers is None else workers
    demo = run_demo(out, workers=workers, limit=LIMIT if limit is None else limit, say=note)
    rows = summary_rows(demo.runs)
    if json:
        print_records(rows)
    else:
        print_table(rows, list(rows[0]), title="mean and 95% interval over prompts")
        for run, comparison in zip(demo.runs[1:], demo.comparisons, strict=True):
            print_comparison(demo.runs[0], run, comparison)
        print_ratings(demo.ratings, annotators=False)
    note("flicker and warping error fall under blur, too: never read them without sharpness beside them")
    note(f"done in {demo.seconds:.0f} s. Next:")
    note(f"  stepbench leaderboard serve {demo.board}     table and clips side by side, in a browser")
    note(f"  stepbench prefs status {demo.study}     how the study went")
    note(f"  stepbench compare {demo.runs[0].folder} {demo.runs[1].folder} --by category --prompts 3")
    note(f"  stepbench show {demo.runs[2].folder}")
    return ExitCode.OK if all(run.info["status"] == "complete" for run in demo.runs) else ExitCode.INCOMPLETE


def summary_rows(runs: tuple[Any, ...]) -> list[dict[str, Any]]:
    """One row per metric, one column per run: mean and interval."""
    metrics: dict[str, dict[str, Any]] = {}
    for run in runs:
        for row in run.read_summary()["metrics"]:
            arrow = {"higher": "↑", "lower": "↓"}.get(row["direction"], "")
            cells = metrics.setdefault(row["metric"], {"metric": f"{row['metric']} {arrow}".strip()})
            cells[run.generator_name] = f"{number(row['mean'], 3)} {interval(row['low'], row['high'])}"
    columns = ["metric", *(run.generator_name for run in runs)]
    return [{column: cells.get(column, "") for column in columns} for cells in metrics.values()]
