"""`stepbench reconstruct -M h264:18,h264:28,step-video:FOLDER -t moving-shapes`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from stepbench.cli.options import Json, Out, Workers, parse_seeds, split_names
from stepbench.cli.output import interval, note, number, print_records, print_table
from stepbench.errors import ExitCode

if TYPE_CHECKING:
    from stepbench.runs.run import Run

SHOWN_ERRORS = 3


def reconstruct_command(
    *,
    autoencoder: Annotated[list[str], Parameter(name=["--autoencoder", "-M"], negative="")],
    clips: Annotated[str, Parameter(name=["--clips", "-t"])],
    metrics: Annotated[list[str] | None, Parameter(name=["--metrics", "-m"], negative="")] = None,
    seeds: str = "0",
    limit: Annotated[int | None, Parameter(name=["--limit", "-L"])] = None,
    crop: str | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    out: Out = Path("runs"),
    workers: Workers = 1,
    json: Json = False,
) -> int:
    """Benchmark autoencoders: quality, compression and speed on the same clips. The same command continues.

    Exit code 3 when a clip has no reconstruction; `--crop` cuts clips to what an autoencoder takes.

    Args:
        autoencoder: FAMILY:ARGUMENT, by commas: h264:CRF, step-video:FOLDER, python:MODULE:CLASS.
        clips: Run folder, folder of video files, or moving-shapes, whose clips are drawn first.
        metrics: Metric names, by commas; psnr and ssim unless given.
        seeds: For a suite, one clip per prompt and seed: 0..3, or 0,2,5.
        limit: Take only the first so many prompts or files.
        crop: FRAMESxHEIGHTxWIDTH: keep the first frames and the middle of every clip.
        set_: KEY=VALUE, a setting of every autoencoder, or FAMILY.KEY=VALUE, of one family; can be repeated.
    """
    from stepbench.generators.settings import parse_settings
    from stepbench.reconstruct import parse_crop, reconstruct, summarize_reconstruction

    runs = reconstruct(
        split_names(autoencoder) or [],
        clips,
        metrics=split_names(metrics),
        settings=parse_settings(set_ or []),
        seeds=parse_seeds(seeds),
        limit=limit,
        crop=parse_crop(crop) if crop is not None else None,
        out=out,
        workers=workers,
    )
    records = [summarize_reconstruction(run) for run in runs]
    if json:
        print_records(records)
    else:
        rows = [_row(record) for record in records]
        print_table(rows, list(dict.fromkeys(column for row in rows for column in row)))
        note("mean and 95% interval over prompts; size of all codes; seconds of the median clip")
    for run in runs:
        _note_failures(run)
    complete = all(record["status"] == "complete" for record in records)
    return ExitCode.OK if complete else ExitCode.INCOMPLETE


def _row(record: dict[str, Any]) -> dict[str, Any]:
    metrics = record["metrics"]
    cells = {
        f"{one['metric']} {'↓' if one['direction'] == 'lower' else '↑'} {one['unit']}".strip(): (
            f"{number(one['mean'])} {interval(one['low'], one['high'])}".strip()
        )
        for one in metrics
    }
    counts = record["samples"]
    scored = min((one["n_scored"] for one in metrics), default=counts["ok"])
    return {
        "autoencoder": record["autoencoder"],
        **cells,
        "compression": record["compression_ratio"],
        "bits/pixel": record["bits_per_pixel"],
        "encode s": record["encode_seconds"],
        "decode s": record["decode_seconds"],
        "coverage": f"{scored}/{counts['planned']}",
    }


def _note_failures(run: Run) -> None:
    note(f"{run.generator_name}: {run.info['status']}; run folder: {run.folder}")
    failed = [row for row in run.samples().to_dict("records") if row["outcome"] == "failed"]
    unscored = [row for row in run.scores().to_dict("records") if row["status"] != "ok"]
    errors = [f"{row['prompt_id']} seed {row['seed']}: {row['error']}" for row in failed]
    errors += [f"{row['prompt_id']} seed {row['seed']}: {row['metric']}: {row['error']}" for row in unscored]
    for error in errors[:SHOWN_ERRORS]:
        note(f"  {error}")
    if len(errors) > SHOWN_ERRORS:
        note(f"  ... and {len(errors) - SHOWN_ERRORS} more: stepbench show {run.folder}")
