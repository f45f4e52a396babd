"""`stepbench sweep -M step-video:tiny -t moving-shapes --set guidance=3,5,9 --set steps=10,25,50`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from stepbench.cli.options import Json, MetricDevice, Metrics, Out, Reference, Workers, parse_seeds, split_names
from stepbench.cli.output import interval, note, number, print_records, print_table
from stepbench.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from stepbench.sweep.analysis import MetricSweep
    from stepbench.sweep.run import Sweep


def sweep_command(
    *,
    generator: Annotated[str, Parameter(name=["--generator", "-M"])],
    suite: Annotated[str, Parameter(name=["--suite", "-t"])],
    set_: Annotated[list[str], Parameter(name="--set", negative="")],
    random: int | None = None,
    seed: int = 0,
    metrics: Metrics = None,
    seeds: str = "0",
    limit: Annotated[int | None, Parameter(name=["--limit", "-L"])] = None,
    split: Literal["train", "test", "all"] | None = None,
    languages: Annotated[list[str] | None, Parameter(negative="")] = None,
    categories: Annotated[list[str] | None, Parameter(negative="")] = None,
    out: Out = Path("runs"),
    workers: Workers = 1,
    timeout: float | None = None,
    keep: Literal["both", "masters", "previews"] = "both",
    reference: Reference = None,
    metric_device: MetricDevice = "auto",
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Runs over settings, then quality against seconds. The same command again continues where it was left.

    Every point is an ordinary run. A point that fails does not stop the others; the end is then exit code 3.

    Args:
        generator: FAMILY:ARGUMENT, as `run` takes it.
        suite: Name, folder, or a peer's prompt file.
        set_: KEY=VALUE,VALUE,..., a setting and its values; can be repeated. Texts with commas are quoted, all of
            them: 'negative_prompt="a, b","c"'.
        random: Take so many points of the grid at random.
        seed: Of the random choice, of bootstrap and permutations.
        seeds: One clip per prompt and seed: 0..3, or 0,2,5.
        limit: Take only the first so many prompts.
        split: Part of the suite; its default split unless given.
        languages: Keep these languages, by commas.
        categories: Keep these categories, by commas.
        timeout: Seconds a sample may take before it counts as failed.
        keep: Files that stay; previews drops each master once it is scored.
        dry_run: List the points, with expected hours, and make nothing.
    """
    import numpy as np

    from stepbench.suites import load_suite
    from stepbench.sweep.grid import grid_points, parse_axes, random_points
    from stepbench.sweep.run import run_sweep

    if seed < 0:
        raise UsageError(f"a seed must be 0 or more, got {seed}")
    axes = parse_axes(set_)
    points = grid_points(axes) if random is None else random_points(axes, random, np.random.default_rng(seed))
    selection: dict[str, Any] = {
        "seeds": parse_seeds(seeds),
        "limit": limit,
        "split": split,
        "languages": split_names(languages) or (),
        "categories": split_names(categories) or (),
    }
    loaded = load_suite(suite)
    if dry_run:
        return _dry_run(generator, loaded, points, selection, out, workers, json=json)
    sweep = run_sweep(
        generator,
        loaded,
        points,
        out=out,
        metrics=split_names(metrics),
        selection=selection,
        workers=workers,
        timeout=timeout,
        seed=seed,
        say=note,
        keep=keep,
        reference=reference,
        metric_device=metric_device,
    )
    return _report(sweep, json=json)


def _dry_run(
    generator: str, suite: Any, points: list[dict[str, Any]], selection: Any, out: Path, workers: int, *, json: bool
) -> ExitCode:
    from stepbench.generators.registry import make_generator
    from stepbench.runs.estimate import estimate
    from stepbench.sweep.run import plan_points

    made = make_generator(generator)
    rows = []
    for point in plan_points(made, suite, points, selection):
        expected = estimate(point.plan, made, runs=out, workers=workers)
        there = (out / point.run_id / "run.json").exists()
        rows.append({"point": point.label, "run_id": point.run_id, "samples": len(point.plan.samples), "begun": there})
        rows[-1] |= {"hours": expected["hours"], "hours_from": expected["hours_from"]}
    if json:
        print_records(rows)
    else:
        print_table(rows, list(rows[0]))
    note(f"{len(rows)} points, {sum(row['samples'] for row in rows)} samples; nothing was made")
    return ExitCode.OK


def _report(sweep: Sweep, *, json: bool) -> ExitCode:
    if json:
        for analysis in sweep.metrics:
            print_records({"metric": analysis.metric, "n": analysis.n, **row} for row in analysis.rows)
    else:
        for analysis in sweep.metrics:
            _print_metric(analysis)
    for text in sweep.left_out:
        note(f"not analysed, or to be minded: {text}")
    for point in sweep.points:
        if point.status != "complete":
            note(
                f"{point.label}: {point.status}"
                + (f": {point.error}" if point.error else f": stepbench show {point.run_id}")
            )
    note(f"written: {sweep.folder / 'sweep.json'} and a plot per metric")
    return ExitCode.OK if sweep.complete else ExitCode.INCOMPLETE


def _print_metric(analysis: MetricSweep) -> None:
    rows = []
    for row in analysis.rows:
        quality, seconds, difference = row["quality"], row["seconds"], row["difference"] or {}
        chance = row["pareto_probability"]
        rows.append(
            {
                "point": row["point"],
                "seconds": seconds["mean"],
                "95 % of seconds": interval(seconds["low"], seconds["high"]),
                analysis.metric: quality["mean"],
                "95 % interval": interval(quality["low"], quality["high"]),
                "Pareto": ("yes" if row["pareto"] else "no") + (f", {chance:.0%}" if chance is not None else ""),
                "minus best": number(difference.get("mean"), 3),
                "95 % of it": interval(difference.get("low"), difference.get("high")),
                "p adj.": number(row["p_adjusted"], 2),
                "verdict": row["verdict"],
                "scored": f"{row['coverage']:.0%}",
            }
        )
    arrow = {"higher": "↑", "lower": "↓"}[analysis.direction]
    print_table(
        rows, list(rows[0]), title=f"{analysis.metric} {arrow} against seconds per clip, n = {analysis.n} prompts"
    )
