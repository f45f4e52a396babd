"""The Python interface behind the commands: one call each."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.comparison import Comparison
from stepbench.comparison import compare as compare_runs
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.executors.choose import ExecutorName, open_executor
from stepbench.executors.local import LocalExecutor
from stepbench.generators.protocol import Generator
from stepbench.generators.ranks import SharedSource
from stepbench.generators.registry import make_generator
from stepbench.records import SAFE_ID, Suite
from stepbench.runs.copies import copied, copy_address
from stepbench.runs.device import choose_device
from stepbench.runs.execute import Work, execute, rescore
from stepbench.runs.metric_set import ChosenMetric, choose_metrics
from stepbench.runs.plan import Plan, make_plan, plan_name
from stepbench.runs.reference import Reference, open_reference
from stepbench.runs.run import Run, open_run
from stepbench.runs.store_clip import Keep
from stepbench.suites import load_suite
from stepbench.suites.load import select_prompts

if TYPE_CHECKING:
    from reference_model.parallel import ParallelConfig


def plan(
    generator: Generator,
    suite: Suite,
    *,
    seeds: Sequence[int] = (0,),
    limit: int | None = None,
    split: str | None = None,
    languages: Sequence[str] = (),
    categories: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Plan:
    """The samples that `run` would make, without making any.

    Raises:
        UsageError: A setting, seed, language or category that does not exist.
        NothingSelectedError: No prompt is left.
    """
    prompts = select_prompts(suite, split=split, languages=languages, categories=categories, limit=limit)
    return make_plan(suite, prompts, generator, list(seeds), settings or {})


def run(
    generator: str | Generator,
    suite: str | Path | Suite,
    *,
    metrics: Sequence[str] | None = None,
    seeds: Sequence[int] = (0,),
    out: str | Path = "runs",
    run_id: str | None = None,
    copy_to: str | None = None,
    limit: int | None = None,
    split: str | None = None,
    languages: Sequence[str] = (),
    categories: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    reference: str | Path | None = None,
    workers: int = 1,
    executor: ExecutorName = "local",
    ray_address: str | None = None,
    gpus_per_model: int | None = None,
    gpus_per_scorer: float | None = None,
    timeout: float | None = None,
    keep: Keep = "both",
    shard: tuple[int, int] | None = None,
    metric_device: str = "auto",
    parallel: ParallelConfig | None = None,
) -> Run:
    """Plan, generate and score; called again with the same arguments it continues.

    Args:
        generator: A spec such as `world:exact`, or an object that fulfils the `Generator` protocol (one process only).
        suite: Name, path, or a loaded suite.
        metrics: Metric names, with options as in `fvd(backbone=i3d, frames=16)`; None takes the offline set, an empty
            sequence scores nothing.
        seeds: One clip per prompt and seed.
        out: Folder of runs.
        run_id: Name of the run folder; by default made from suite, generator and plan hash.
        copy_to: Address of a folder of runs, in any form that fsspec knows: this run is copied there as it grows.
        limit: Take only the first so many prompts.
        split: `train`, `test` or `all`; None takes the suite's default split.
        settings: Overrides of the generator's settings.
        reference: A run whose clips, paired by prompt and seed, are the references of metrics that need one.
        workers: Processes for generation and scoring. Their number never changes a result.
        executor: `local`, or `ray`, which needs the extra of that name; see `docs/scaling.md`.
        ray_address: `auto` or HOST:PORT of a Ray cluster; None starts Ray on this machine.
        gpus_per_model: GPUs of one machine that a generator holds under Ray; None takes 1, or one per process of
            `parallel`, where there are any.
        gpus_per_scorer: Share of a GPU that a scoring worker holds under Ray, where metrics compute on `cuda`; None
            takes a quarter. A smaller one lets more workers decode for the same GPU.
        timeout: Seconds a sample may take before it counts as failed.
        keep: `both`, `masters`, or `previews` (masters are dropped once scored).
        shard: (i, N): work on every N-th sample only; the last shard to end finishes the run.
        metric_device: Where networks of metrics compute: `cpu`, `cuda`, `cuda:N`, or `auto`, a GPU if there is one.
        parallel: How the processes of each Ray worker share its clips, which only `step-video:FOLDER` can; degrees are
            part of no result.

    Returns:
        The run. Its status is `complete`, `incomplete` (rows failed), or `partial` (other shards to come).

    Raises:
        StepbenchError: As its subclasses say; the run folder stays fit to be continued.
    """
    check_run_id(run_id)
    # NumPy's integers are not JSON's.
    seeds = [operator.index(seed) for seed in seeds]
    loaded = suite if isinstance(suite, Suite) else load_suite(suite)
    made = planning_generator(generator, parallel)
    if not isinstance(generator, str) and (workers > 1 or timeout is not None or executor != "local"):
        raise UsageError(
            "a generator object works in this process only, without workers, a time limit or Ray",
            hint="give its spec, such as python:MODULE:FUNCTION",
        )
    planned = plan(
        made,
        loaded,
        seeds=seeds,
        limit=limit,
        split=split,
        languages=languages,
        categories=categories,
        settings=settings,
    )
    scores_nothing = metrics is not None and not metrics
    device = "cpu" if scores_nothing else choose_device(metric_device)
    work = Work(timeout=timeout, keep=keep, shard=shard, device=device)
    work.part(planned.samples)
    references = open_reference(reference) if reference is not None else None
    chosen = _chosen(planned, metrics, references)
    path = Path(out) / (run_id if run_id is not None else default_run_id(planned, made))
    copy = None if copy_to is None else copy_address(copy_to, path.name, shard)
    with (
        copied(path, copy, planned.hash),
        open_executor(
            executor,
            workers=workers,
            folder=path,
            device=device,
            address=ray_address,
            gpus_per_model=gpus_per_model,
            ranks=parallel.processes if parallel else 1,
        ) as opened,
    ):
        work = replace(work, executor=opened)
        return execute(
            path,
            planned,
            _source(generator, parallel),
            made,
            seeds=seeds,
            metrics=chosen,
            reference=references,
            work=work,
        )


def score(
    run: str | Path | Run,
    *,
    metrics: Sequence[str] | None = None,
    reference: str | Path | None = None,
    workers: int = 1,
    recompute: bool = False,
    metric_device: str = "auto",
) -> Run:
    """Score a run that exists, without generating. Metrics it already has are completed, or redone with `recompute`.

    Raises:
        UsageError: An unknown metric, or one whose needs are not met.
        NothingSelectedError: The run has no clip.
    """
    opened = run if isinstance(run, Run) else open_run(run)
    if "ok" not in set(opened.samples()["outcome"]):
        raise NothingSelectedError(
            f"{opened.folder} has no clip to score", hint="`stepbench show RUN` lists the failures"
        )
    references = open_reference(reference) if reference is not None else None
    chosen = choose_metrics(
        metrics, list(opened.prompts.values()), reference_hash=references.hash if references else None
    )
    work = Work(executor=LocalExecutor(workers), device=choose_device(metric_device))
    return rescore(opened, chosen, reference=references, work=work, recompute=recompute)


def compare(run_a: str | Path | Run, run_b: str | Path | Run, **options: Any) -> Comparison:
    """Paired differences of two runs, `b` minus `a`; see `stepbench.comparison.compare` for the options."""
    return compare_runs(
        run_a if isinstance(run_a, Run) else open_run(run_a),
        run_b if isinstance(run_b, Run) else open_run(run_b),
        **options,
    )


def check_run_id(run_id: str | None) -> None:
    """Raise `UsageError` for a name of a run folder that is no safe id."""
    if run_id is not None and not SAFE_ID.fullmatch(run_id):
        raise UsageError(f"unsafe run id {run_id!r}", hint="use 1 to 100 of A-Z a-z 0-9 . _ -, a letter or digit first")


def check_metrics(planned: Plan, metrics: Sequence[str] | None, reference: str | Path | None = None) -> None:
    """Raise what `run` would raise about metrics and reference, without making anything.

    Raises:
        UsageError: An unknown metric, or one whose needs are not met.
    """
    _chosen(planned, metrics, open_reference(reference) if reference is not None else None)


def planning_generator(generator: str | Generator, parallel: ParallelConfig | None = None) -> Generator:
    """The generator that resolves settings; with degrees of parallelism, one that refuses those that cannot be shared.

    Raises:
        UsageError: No such generator, or degrees that do not fit it.
    """
    if not isinstance(generator, str):
        return generator
    if parallel is None or parallel.processes == 1:
        return make_generator(generator)
    from stepbench.generators.step_video_ranks import spreadable

    return spreadable(generator, parallel)


def _source(generator: str | Generator, parallel: ParallelConfig | None) -> str | Generator | SharedSource:
    """What workers make their generator from."""
    if not isinstance(generator, str) or parallel is None or parallel.processes == 1:
        return generator
    from stepbench.generators.step_video_ranks import SpreadSpec

    return SpreadSpec(generator, parallel)


def _chosen(planned: Plan, metrics: Sequence[str] | None, references: Reference | None) -> list[ChosenMetric]:
    prompts = list({sample.prompt.id: sample.prompt for sample in planned.samples}.values())
    if metrics is not None and not metrics:
        return []
    return choose_metrics(metrics, prompts, reference_hash=references.hash if references else None)


def default_run_id(planned: Plan, generator: Generator) -> str:
    """`<suite>-<generator>-<8 hex of the plan hash>`: the same command finds its own run again."""
    return plan_name(planned.suite.name, generator.card.name, planned.hash)
