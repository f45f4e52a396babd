"""`stepbench run -M world:exact -t moving-shapes --seeds 0..3 --workers 2`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from stepbench.cli.options import (
    Json,
    MetricDevice,
    Metrics,
    Out,
    Reference,
    Workers,
    parse_seeds,
    parse_shard,
    split_names,
)
from stepbench.cli.parallel import ParallelOptions, on_all_ranks, started_processes
from stepbench.cli.report_run import report_run
from stepbench.errors import UsageError

if TYPE_CHECKING:
    from stepbench.generators.protocol import Generator


def run_command(
    *,
    generator: Annotated[str, Parameter(name=["--generator", "-M"])],
    suite: Annotated[str, Parameter(name=["--suite", "-t"])],
    metrics: Metrics = None,
    seeds: str = "0",
    limit: Annotated[int | None, Parameter(name=["--limit", "-L"])] = None,
    split: Literal["train", "test", "all"] | None = None,
    languages: Annotated[list[str] | None, Parameter(negative="")] = None,
    categories: Annotated[list[str] | None, Parameter(negative="")] = None,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    out: Out = Path("runs"),
    run_id: str | None = None,
    copy_to: str | None = None,
    workers: Workers = 1,
    executor: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    gpus_per_model: int | None = None,
    gpus_per_scorer: float | None = None,
    shard: str | None = None,
    timeout: float | None = None,
    keep: Literal["both", "masters", "previews"] = "both",
    reference: Reference = None,
    metric_device: MetricDevice = "auto",
    no_score: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    parallel: ParallelOptions = ParallelOptions(),  # noqa: B008 - frozen
    json: Json = False,
) -> int:
    """Plan, generate and score a suite. The same command again continues where it was left.

    Args:
        generator: FAMILY:ARGUMENT, such as world:exact, folder:DIR, command:"PROGRAM {prompt} {output}".
        suite: Name, folder, or a peer's prompt file.
        seeds: One clip per prompt and seed: 0..3, or 0,2,5.
        limit: Take only the first so many prompts.
        split: Part of the suite; its default split unless given.
        languages: Keep these languages, by commas.
        categories: Keep these categories, by commas.
        set_: KEY=VALUE, a setting of the generator; can be repeated.
        run_id: Name of the run folder; made from suite, generator and plan unless given.
        copy_to: PROTOCOL://..., such as s3://bucket/runs: the run is copied to RUN-ID there as it grows; see `pull`.
        executor: Where the work is done: processes of this machine, or Ray.
        ray_address: auto or HOST:PORT of a Ray cluster; Ray is started on this machine unless given.
        gpus_per_model: GPUs of one machine that a generator holds under Ray; unless given 1, or one per process of the
            degrees of parallelism, where there are any.
        gpus_per_scorer: Share of a GPU that a scorer holds under Ray with --metric-device cuda; a quarter unless given.
        shard: i/N: work on every N-th sample only; the last shard to end finishes the run.
        timeout: Seconds a sample may take before it counts as failed.
        keep: Files that stay; previews drops each master once it is scored.
        no_score: Generate only.
        dry_run: Print samples, expected hours and disk, and do nothing.
    """
    from stepbench import api
    from stepbench.generators.settings import parse_settings

    selection = {
        "seeds": parse_seeds(seeds),
        "limit": limit,
        "split": split,
        "languages": split_names(languages) or (),
        "categories": split_names(categories) or (),
        "settings": parse_settings(set_ or []),
    }
    if dry_run:
        from stepbench.cli.dry_run import print_estimate

        return print_estimate(
            generator,
            suite,
            selection,
            metrics=[] if no_score else split_names(metrics),
            reference=reference,
            out=out,
            run_id=run_id,
            workers=workers,
            shard=parse_shard(shard),
            gpus_per_model=gpus_per_model,
            parallel=parallel,
            json=json,
        )

    def work(source: str | Generator) -> int:
        if not isinstance(source, str) and (workers > 1 or timeout is not None or executor != "local"):
            raise UsageError(
                "under torchrun its processes share every clip: --workers, --timeout and Ray do not go with it",
                hint="to make several clips at once, start a torchrun for each --shard i/N",
            )
        run = api.run(
            source,
            suite,
            metrics=[] if no_score else split_names(metrics),
            out=out,
            run_id=run_id,
            copy_to=copy_to,
            reference=reference,
            metric_device=metric_device,
            workers=workers,
            executor=executor,
            ray_address=ray_address,
            gpus_per_model=gpus_per_model,
            gpus_per_scorer=gpus_per_scorer,
            timeout=timeout,
            keep=keep,
            shard=parse_shard(shard),
            parallel=parallel.config() if by_ray else None,
            **selection,
        )
        return report_run(run, json=json, shard=parse_shard(shard))

    # Ray starts the processes that share a clip itself; otherwise this is one of those that torchrun has started.
    by_ray = executor == "ray" and started_processes() == 1
    shared = parallel.is_asked_for and not by_ray
    return on_all_ranks(generator, parallel, work) if shared else work(generator)
