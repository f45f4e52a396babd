"""What `run`, `score`, `import` and `merge` say at the end: coverage, means with intervals, and the exit code."""

from __future__ import annotations

from typing import Any

from stepbench.cli.output import interval, note, number, print_records, print_table
from stepbench.errors import ExitCode
from stepbench.runs.plan import shard_of
from stepbench.runs.run import Run

SHOWN_ERRORS = 5


def report_run(run: Run, *, json: bool, shard: tuple[int, int] | None = None) -> ExitCode:
    """Print the summary of a run; 0 when every planned sample has every score or was refused, else 3.

    Of a run that waits for other shards, only the samples of `shard` count.
    """
    status = run.info["status"]
    if status == "partial":
        return _report_shard(run, shard or (0, 1), json=json)
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
    for row in run.set_scores().to_dict("records"):
        note(_about_set(row))
    if status == "complete":
        return ExitCode.OK
    if counts["missing"]:
        note(f"incomplete: {counts['missing']} samples were not tried yet; `stepbench run` or their shards make them")
    errors = _errors(run, {key for key, _, _ in run.planned})
    if errors or not counts["missing"]:
        _note_errors(run, errors)
    _note_unscored(summary, run)
    return ExitCode.INCOMPLETE


def _report_shard(run: Run, shard: tuple[int, int], *, json: bool) -> ExitCode:
    keys = {key for key, _, _ in shard_of(run.planned, *shard)}
    errors = _errors(run, keys)
    if json:
        record = {"status": "partial", "shard": f"{shard[0]}/{shard[1]}", "samples": len(keys), "failures": len(errors)}
        print_records([{"run": str(run.folder), **record}])
    note(f"shard done; {run.folder} waits for the other shards")
    if not errors:
        return ExitCode.OK
    _note_errors(run, errors)
    return ExitCode.INCOMPLETE


def _errors(run: Run, keys: set[str]) -> list[str]:
    samples, scores = run.samples().to_dict("records"), run.scores().to_dict("records")
    failed = [(row, row["error"]) for row in samples if row["outcome"] == "failed"]
    failed += [(row, f"{row['metric']}: {row['error']}") for row in scores if row["status"] != "ok"]
    of_samples = [f"{row['prompt_id']} seed {row['seed']}: {text}" for row, text in failed if row["sample_key"] in keys]
    of_sets = run.set_scores().to_dict("records")
    return of_samples + [f"{row['metric']}: {row['error']}" for row in of_sets if row["status"] != "ok"]


def _about_set(row: dict[str, Any]) -> str:
    """What belongs to the value of a set metric: how many clips, what real clips would have, what to mind."""
    if row["status"] != "ok":
        return f"{row['metric']}: no value"
    parts = [f"{row['metric']}: {row['n']:.0f} clips against {row['n_reference']:.0f}"]
    if row["floor_n"]:
        parts.append(f"real against real {number(row['floor'])} (at {row['floor_n']:.0f} clips)")
    return "; ".join(parts + ([f"caution: {row['caution']}"] if row["caution"] else []))


def _note_unscored(summary: dict[str, Any], run: Run) -> None:
    """Clips that no score was even tried on: of a metric that an earlier command named and this one did not."""
    untried = summary["samples"]["failed"] + summary["samples"]["missing"]
    bad = [row["metric_id"] for row in run.scores().to_dict("records") if row["status"] != "ok"]
    without_value = {row["metric_id"] for row in run.set_scores().to_dict("records") if row["status"] != "ok"}
    for metric in summary["metrics"]:
        unscored = metric["n_failed"] - untried - bad.count(metric["metric_id"])
        if unscored and metric["metric_id"] not in without_value:
            name = metric["metric"]
            note(f"  {unscored} clips have no score of {name} yet: stepbench score {run.folder} -m {name}")


def _note_errors(run: Run, errors: list[str]) -> None:
    note(f"incomplete: {len(errors)} failures; the same command tries them again")
    for error in errors[:SHOWN_ERRORS]:
        note(f"  {error}")
    if len(errors) > SHOWN_ERRORS:
        note(f"  ... and {len(errors) - SHOWN_ERRORS} more: stepbench show {run.folder}")
