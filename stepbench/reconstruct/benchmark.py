"""The autoencoder benchmark: every clip through every autoencoder, each an ordinary run that is scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stepbench import api
from stepbench.autoencoders import Autoencoder, make_autoencoder
from stepbench.errors import UsageError
from stepbench.executors.local import LocalExecutor
from stepbench.reconstruct.clips import source_run
from stepbench.reconstruct.crop import Crop
from stepbench.reconstruct.generator import Reconstruction
from stepbench.reconstruct.source import SourceRun, derived_suite
from stepbench.records import Settings
from stepbench.runs.device import choose_device
from stepbench.runs.execute import Work, execute
from stepbench.runs.metric_set import choose_metrics
from stepbench.runs.plan import make_plan
from stepbench.runs.reference import open_reference
from stepbench.runs.run import Run
from stepbench.suites.load import select_prompts

METRICS = ("psnr", "ssim")
"""Scored unless others are asked for; all of them compare with the source clip."""


def reconstruct(
    autoencoders: str | Autoencoder | Sequence[str | Autoencoder],
    clips: str | Path | Run,
    *,
    metrics: Sequence[str] | None = None,
    settings: Settings | None = None,
    seeds: Sequence[int] = (0,),
    limit: int | None = None,
    crop: Crop | None = None,
    out: str | Path = "runs",
    workers: int = 1,
) -> list[Run]:
    """Reconstruct the same clips with every autoencoder and score the results against the clips.

    Called again with the same arguments it continues. Each returned run has the source run's prompts and seeds, so two
    of them can be compared, shown and put on a board like any others.

    Args:
        autoencoders: Specs such as `h264:23`, or objects that fulfil the `Autoencoder` protocol (one process only).
        clips: A run, a folder of video files, or a suite of the moving-shapes world.
        metrics: Metric names; None takes `METRICS`. The source clip is the reference of those that need one.
        settings: Settings of every autoencoder; `FAMILY.NAME` goes to those of one family, such as `h264.preset`.
        seeds: For a suite: one clip per prompt and seed.
        limit: Take only the first so many prompts.
        crop: Cut the source clips first; the result is the reference as well.
        out: Folder of runs.
        workers: Processes. Times are those of a machine that does nothing else only with one.

    Returns:
        One run per autoencoder, in the order given.

    Raises:
        StepbenchError: As its subclasses say. No autoencoder starts work before all of them are known to load and take
            the settings.
    """
    given = [autoencoders] if isinstance(autoencoders, str) or not isinstance(autoencoders, Sequence) else autoencoders
    if not given:
        raise UsageError("no autoencoder is given", hint="write -M h264:23")
    if workers > 1 and not all(isinstance(one, str) for one in given):
        raise UsageError(
            "an autoencoder object works in this process only, without workers",
            hint="give its spec, such as python:MODULE:CLASS",
        )
    loaded = [(make_autoencoder(one), one) if isinstance(one, str) else (one, None) for one in given]
    own = _settings_by_name([autoencoder.card.name for autoencoder, _ in loaded], settings or {})
    for autoencoder, _ in loaded:
        autoencoder.resolve(own[autoencoder.card.name])
    work = Work(executor=LocalExecutor(workers), device=choose_device("auto"))
    where = clips.folder if isinstance(clips, Run) else clips
    source = source_run(where, out=Path(out), seeds=seeds, limit=limit, crop=crop, workers=workers)
    reference = open_reference(source.folder)
    suite = derived_suite(source, f"{source.info['suite']['name'][:80]}-reconstruct", reference.hash[:12])
    prompts = select_prompts(suite, limit=limit)
    chosen = choose_metrics(METRICS if metrics is None else metrics, prompts, reference_hash=reference.hash)
    seeds = source.info["seeds"]
    runs = []
    for autoencoder, spec in loaded:
        generator = Reconstruction(SourceRun(source), autoencoder, spec)
        plan = make_plan(suite, prompts, generator, seeds, own[autoencoder.card.name])
        path = Path(out) / api.default_run_id(plan, generator)
        runs.append(
            execute(path, plan, generator, generator, seeds=seeds, metrics=chosen, reference=reference, work=work)
        )
    return runs


def _settings_by_name(names: Sequence[str], settings: Settings) -> dict[str, dict[str, Any]]:
    """Name of an autoencoder -> its settings, those for its family last."""
    families = {name: name.partition(":")[0] for name in names}
    for key in settings:
        family, dot, _ = key.partition(".")
        if dot and family not in families.values():
            raise UsageError(
                f"setting {key!r} is for family {family!r}, and no such autoencoder is given",
                hint=f"write one of {', '.join(sorted(set(families.values())))} before the dot, or no dot",
            )
    general = {key: value for key, value in settings.items() if "." not in key}
    return {
        name: general
        | {key.removeprefix(f"{family}."): value for key, value in settings.items() if key.startswith(f"{family}.")}
        for name, family in families.items()
    }
