"""What `run`, `score`, `import` and `merge` say at the end: coverage, means with intervals, and the exit code."""

from __future__ import annotations

from stepbench.cli.output import interval, note, print_records, print_table
from stepbench.errors import ExitCode
from stepbench.runs.run import Run

SHOWN_ERRORS = 5


def report_run(run: Run, *, json: bool) -> ExitCode:
    """Print the summary of a run; 0 when every planned sample has every score or was refused, else 3."""
    status = run.info["status"]
    if status == "partial":
        note(f"shard done; {run.folder} waits for the other shards")
        return ExitCode.OK
    summary = run.read_summary()
    rows = [
        {
            "metric": row["metric"],
            "better": {"higher": "↑", "lower": "↓"}.get(row["direction"], ""),
            "mean": row["mean"],
            "95% interval": interval(row["low"], row["high"]),
            "unit": row["unit"],
            "prompts": row["n_units"],
            "scored": f"{row['n_scored']}/{row['n_planned']}",
            "metric id": row["metric_id"],
        }
        for row in summary["metrics"]
    ]
    if json:
        print_records([{"run": str(run.folder), "status": status, **summary}])
    elif rows:
        print_table(rows, list(rows[0]), title=f"{run.generator_name} on {run.info['suite']['name']}")
    counts = summary["samples"]
    note(", ".join(f"{counts[name]} {name}" for name in counts) + f"; run folder: {run.folder}")
    if status == "complete":
        return ExitCode.OK
    _note_errors(run)
    return ExitCode.INCOMPLETE


def _note_errors(run: Run) -> None:
    samples, scores = run.samples(), run.scores()
    failed = [(row.prompt_id, row.seed, row.error) for row in samples.itertuples() if row.outcome == "failed"]
    failed += [
        (row.prompt_id, row.seed, f"{row.metric}: {row.error}") for row in scores.itertuples() if row.status != "ok"
    ]
    note(f"incomplete: {len(failed)} failures; the same command tries them again")
    for prompt_id, seed, error in failed[:SHOWN_ERRORS]:
        note(f"  {prompt_id} seed {seed}: {error}")
    if len(failed) > SHOWN_ERRORS:
        note(f"  ... and {len(failed) - SHOWN_ERRORS} more: stepbench show {run.folder}")
