"""`stepbench compare runs/BASELINE runs/OTHER... --by category`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from stepbench.cli.cost import print_costs
from stepbench.cli.options import Json, split_names
from stepbench.cli.output import interval, note, number, print_records, print_table
from stepbench.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from stepbench.comparison import Comparison
    from stepbench.runs.run import Run


def compare_command(
    runs: list[Path],
    /,
    *,
    by: Literal["category", "language"] | None = None,
    metric: Annotated[list[str] | None, Parameter(name=["--metric", "--metrics", "-m"], negative="")] = None,
    prompts: int = 0,
    allow_incomparable: str | None = None,
    json: Json = False,
) -> int:
    """Compare every further run with the first: paired by prompt and seed, the prompt as the unit.

    Exit code 4 when the runs differ in something that decides what the numbers mean.

    Args:
        runs: Two or more run folders, the baseline first.
        by: One block per category or language.
        metric: Only these metrics, by commas.
        prompts: Show so many of the most different prompts of each metric.
        allow_incomparable: Compare all the same, for this reason, which is printed with the result.
    """
    from stepbench.comparison import compare
    from stepbench.costs.comparison import compare_costs
    from stepbench.runs.run import open_run

    if len(runs) < 2:
        raise UsageError(f"need two runs or more, got {len(runs)}", hint="stepbench compare BASELINE OTHER")
    opened = [open_run(path) for path in runs]
    comparisons = [
        compare(opened[0], other, metrics=split_names(metric), by=by, allow_incomparable=allow_incomparable)
        for other in opened[1:]
    ]
    for other, comparison in zip(opened[1:], comparisons, strict=True):
        costs = compare_costs(opened[0], other)
        if json:
            print_records([comparison.to_json() | {"costs": costs.to_json()}])
            continue
        print_comparison(opened[0], other, comparison)
        print_costs(costs)
        for name in filter(comparison.has_prompts, dict.fromkeys(comparison.table().metric) if prompts else ()):
            _print_prompts(comparison, name, prompts)
    return ExitCode.OK


def comparison_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """The comparison's table in the words and digits that people read."""
    rows = []
    for row in comparison.table().to_dict("records"):
        group = {comparison.by: row[comparison.by]} if comparison.by else {}
        counts = f"{row['wins']}/{row['ties']}/{row['losses']}"
        arrow = {"higher": "↑", "lower": "↓"}.get(row["direction"], "")
        rows.append(
            group
            | {
                "metric": f"{row['metric']} {arrow}".strip(),
                "n": row["n"],
                "a": row["mean_a"],
                "b": row["mean_b"],
                "b - a": row["difference"],
                "95% interval": interval(row["low"], row["high"]),
                "p": number(row["p"], 2),
                "p adj.": number(row["p_adjusted"], 2),
                "W/T/L of b": counts if any(row[name] for name in ("wins", "ties", "losses")) else "",
                "detectable": number(row["detectable_effect"], 2),
                "coverage": f"{row['coverage_a']:.0%} {row['coverage_b']:.0%}",
                "verdict": row["verdict"],
            }
        )
    return rows


def print_comparison(run_a: Run, run_b: Run, comparison: Comparison) -> None:
    """The table of one comparison, with what a reader must know to take it right."""
    rows = comparison_rows(comparison)
    title = f"a = {comparison.generator_a} ({run_a.name})\nb = {comparison.generator_b} ({run_b.name})"
    print_table(rows, list(rows[0]), title=title)
    note(
        "n counts prompts (translations of one prompt are one); p by sign flips, adjusted by "
        + ("Benjamini-Hochberg" if comparison.by else "Holm")
        + "; detectable: the smallest true difference found with 80 % power"
    )
    if comparison.too_few():
        note(comparison.too_few())
    for row in comparison.table().to_dict("records"):
        if isinstance(row.get("method"), str):
            note(f"{row['metric']}: interval and p from {row['method']}")
    for difference in comparison.differences:
        note(f"NOT COMPARABLE in {difference}")
    if comparison.reason:
        note(f"compared all the same, for this reason: {comparison.reason}")
    for metric_id, why in comparison.not_compared:
        note(f"not compared: {metric_id}: {why}")
    unequal = _pairs_of_other_geometry(run_a, run_b)
    if unequal:
        note(f"{unequal} pairs of clips differ in frames, size or rate: per-frame metrics see that as quality")


def _print_prompts(comparison: Comparison, metric: str, count: int) -> None:
    rows = comparison.prompts(metric).head(count).to_dict("records")
    columns = ["prompt_id", "a", "b", "difference", "text"]
    print_table(rows, columns, title=f"most different in {metric}")


def _pairs_of_other_geometry(run_a: Run, run_b: Run) -> int:
    geometry = ["frames", "height", "width", "fps"]
    sides = [run.samples().set_index(["prompt_id", "seed"]) for run in (run_a, run_b)]
    made = [side.loc[side["outcome"] == "ok", geometry] for side in sides]
    both = made[0].index.intersection(made[1].index)
    return int((made[0].loc[both] != made[1].loc[both]).any(axis=1).sum())
