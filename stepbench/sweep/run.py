"""Run a sweep: every point is an ordinary run, found again by the same command; then they are held together."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench import api
from stepbench.canonical import sha256_json
from stepbench.errors import StepbenchError, UsageError
from stepbench.generators.registry import make_generator
from stepbench.runs.folder import write_atomically
from stepbench.runs.journal import saving
from stepbench.runs.plan import Plan
from stepbench.runs.run import Run
from stepbench.sweep.analysis import MetricSweep, analyse
from stepbench.sweep.grid import labels_of
from stepbench.sweep.plot import plot_sweep

if TYPE_CHECKING:
    from stepbench.generators.protocol import Generator

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Point:
    """One setting of a sweep before it is run."""

    settings: dict[str, Any]
    label: str
    run_id: str
    plan: Plan


@dataclass
class PointResult:
    """What became of a point.

    Attributes:
        status: `planned`, the status of its run, or `failed` where the run could not be brought to an end.
        error: Why it failed; empty otherwise.
    """

    label: str
    settings: dict[str, Any]
    run_id: str
    status: str = "planned"
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A finished sweep.

    Attributes:
        folder: Where `sweep.json` and the plots are.
        metrics: One analysis per metric with a better direction.
        left_out: Why metrics or points are not analysed, and what to mind.
    """

    folder: Path
    points: tuple[PointResult, ...]
    metrics: tuple[MetricSweep, ...]
    left_out: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every point's run is complete."""
        return all(point.status == "complete" for point in self.points)


def plan_points(
    generator: Generator, suite: Any, points: Sequence[Mapping[str, Any]], selection: Mapping[str, Any]
) -> list[Point]:
    """Plan every point, so that nothing is made before all of them are known to be possible.

    Args:
        suite: A loaded suite.
        points: Settings of each point.
        selection: Of prompts and seeds, as `api.plan` takes it.

    Raises:
        UsageError: A setting or value that the generator does not take, or two points that make the same clips.
        NothingSelectedError: No prompt is left.
    """
    planned: list[Point] = []
    for settings, label in zip(points, labels_of(points), strict=True):
        plan = api.plan(generator, suite, settings=settings, **selection)
        run_id = api.default_run_id(plan, generator)
        twin = next((point for point in planned if point.plan.hash == plan.hash), None)
        if twin is not None:
            raise UsageError(
                f"{label} and {twin.label} make the same clips",
                hint="leave out the values that change nothing",
            )
        planned.append(Point(settings=dict(settings), label=label, run_id=run_id, plan=plan))
    return planned


def run_sweep(
    generator: str,
    suite: Any,
    points: Sequence[Mapping[str, Any]],
    *,
    out: Path = Path("runs"),
    metrics: Sequence[str] | None = None,
    selection: Mapping[str, Any],
    workers: int = 1,
    timeout: float | None = None,
    seed: int = 0,
    say: Callable[[str], None] = print,
    **options: Any,
) -> Sweep:
    """Run every point, then analyse them together. Called again it continues, and finds what is done.

    Args:
        generator: A generator's spec.
        suite: A loaded suite.
        points: Settings of each point.
        out: Folder of runs; the sweep's own folder is made beside them.
        selection: Of prompts and seeds.
        seed: Of bootstrap and permutations.
        say: Told what happens.
        **options: Further ones of `api.run`: keep, reference, metric_device.

    Raises:
        UsageError: Before anything is made: as `plan_points`, or a metric that cannot be used.
        IncompleteError: The sweep's own files cannot be written.
    """
    made = make_generator(generator)
    planned = plan_points(made, suite, points, selection)
    api.check_metrics(planned[0].plan, metrics, options.get("reference"))
    folder = out / sweep_id(planned, made)
    results = [PointResult(point.label, point.settings, point.run_id) for point in planned]
    about = {"schema": SCHEMA, "sweep": folder.name, "generator": made.card.name, "suite": suite.name}
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
    _write(folder, about | {"status": "running", "points": [asdict(result) for result in results]})
    # One process keeps the model that it has loaded, from point to point.
    source = made if workers == 1 and timeout is None else generator
    for place, (point, result) in enumerate(zip(planned, results, strict=True), start=1):
        say(f"{place}/{len(planned)} {point.label}: {len(point.plan.samples)} samples in {out / point.run_id}")
        try:
            run = api.run(
                source,
                suite,
                metrics=metrics,
                settings=point.settings,
                out=out,
                workers=workers,
                timeout=timeout,
                **selection,
                **options,
            )
        except StepbenchError as error:
            # The other points can still be made; this one is tried again by the same command.
            result.status, result.error = "failed", error.message
            say(f"  failed: {error.message}")
        else:
            result.status = run.info["status"]
    there = [(result.label, Run(out / result.run_id)) for result in results if result.status != "failed"]
    analyses, left_out = analyse(there, seed=seed)
    for analysis in analyses:
        plot_sweep(analysis, folder / f"{analysis.metric}.svg", title=f"{made.card.name} on {suite.name}")
    sweep = Sweep(folder=folder, points=tuple(results), metrics=tuple(analyses), left_out=tuple(left_out))
    _write(
        folder,
        about
        | {
            "status": "complete" if sweep.complete else "incomplete",
            "points": [asdict(result) for result in results],
            "metrics": [analysis.to_json() for analysis in analyses],
            "left_out": left_out,
        },
    )
    return sweep


def sweep_id(planned: Sequence[Point], generator: Generator) -> str:
    """`sweep-<suite>-<generator>-<8 hex>`: the same points, in any order, are the same sweep."""
    name = api.default_run_id(planned[0].plan, generator).rpartition("-")[0]
    return f"sweep-{name}-{sha256_json(sorted(point.plan.hash for point in planned))[:8]}"


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / "sweep.json", text + "\n")
