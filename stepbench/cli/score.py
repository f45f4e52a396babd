"""`stepbench score runs/RUN -m flicker --reference runs/OTHER`, and `stepbench score CLIPS --where "sharpness>100"`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from stepbench.cli.options import Json, MetricDevice, Metrics, Reference, Workers, split_names
from stepbench.cli.output import note, print_records, print_table
from stepbench.cli.report_run import report_run
from stepbench.errors import ExitCode, UsageError


def score_command(
    run: Path,
    /,
    *,
    metrics: Metrics = None,
    reference: Reference = None,
    workers: Workers = 1,
    metric_device: MetricDevice = "auto",
    recompute: Annotated[bool, Parameter(negative="")] = False,
    where: str | None = None,
    manifest: Path | None = None,
    json: Json = False,
) -> int:
    """Score a run that exists, without generating anything; or the clips of any folder.

    Args:
        run: Run folder, or a folder of video files.
        recompute: Score again what is scored already.
        where: Of a folder of video files: conditions such as "sharpness>100 and flicker<0.1" that a clip must satisfy.
        manifest: Of a folder of video files: JSONL file that gets the clips that do, clips.jsonl unless given; their
            scores and the other clips go to files beside it.
    """
    from stepbench import api

    if run.is_dir() and not (run / "run.json").exists():
        if reference is not None or recompute:
            raise UsageError("--reference and --recompute are for runs", hint=f"{run} holds none")
        from stepbench.runs.device import choose_device

        work = {"workers": workers, "device": choose_device(metric_device)}
        return _score_clips(run, split_names(metrics), where or "", manifest or Path("clips.jsonl"), work, json=json)
    if where is not None or manifest is not None:
        raise UsageError("--where and --manifest are for folders of clips", hint=f"{run} is a run or nothing at all")
    scored = api.score(
        run,
        metrics=split_names(metrics),
        reference=reference,
        workers=workers,
        recompute=recompute,
        metric_device=metric_device,
    )
    return report_run(scored, json=json)


def _score_clips(
    folder: Path, metrics: list[str] | None, where: str, manifest: Path, work: dict[str, Any], *, json: bool
) -> int:
    from stepbench.clip_scores import parse_conditions, score_folder

    conditions = parse_conditions(where) if where else []
    found = score_folder(folder, manifest, metrics=metrics, where=conditions, **work)
    reasons = {row["file"]: row["reasons"] for row in found.rejected}
    if json:
        print_records(
            {"file": file, "scores": scores, "accepted": file not in reasons, "reasons": reasons.get(file, [])}
            for file, scores in found.scores.items()
        )
    else:
        rows = [_spread(name, found.scores.values()) for name in next(iter(found.scores.values()))]
        print_table(rows, list(rows[0]))
    for file, why in list(reasons.items())[:5]:
        note(f"  {file}: {'; '.join(why)}")
    note(f"{len(found.accepted)} of {len(found.scores)} clips accepted; {', '.join(map(str, found.files))}")
    unscored = sum(value is None for scores in found.scores.values() for value in scores.values())
    if unscored:
        note(f"{unscored} scores are missing; {found.files[0]} says why")
        return ExitCode.INCOMPLETE
    return ExitCode.OK if found.accepted else ExitCode.NOTHING_SELECTED


def _spread(name: str, clips: Iterable[Mapping[str, float | None]]) -> dict[str, object]:
    """Quantiles, from which a threshold is chosen."""
    import numpy as np

    values = [value for scores in clips if (value := scores[name]) is not None]
    quantiles = np.quantile(values, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]) if values else [None] * 7
    labels = ("lowest", "5 %", "25 %", "median", "75 %", "95 %", "highest")
    return {"metric": name, "clips": len(values), **dict(zip(labels, map(_plain, quantiles), strict=True))}


def _plain(value: float | None) -> float | None:
    return None if value is None else float(value)
