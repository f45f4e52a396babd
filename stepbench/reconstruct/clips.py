"""From what a user typed after `reconstruct -t` to a run that holds the source clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stepbench import api
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.reconstruct.crop import Crop, CroppedClips
from stepbench.reconstruct.source import SourceRun, derived_suite
from stepbench.reconstruct.video_folder import folder_suite, write_folder_manifest
from stepbench.runs.reference import open_reference
from stepbench.runs.run import Run, open_run
from stepbench.suites import load_suite
from stepbench.suites.format import CARD_FILE
from stepbench.suites.registry import suite_folders

WORLD = "world:exact"


def source_run(
    clips: str | Path,
    *,
    out: Path,
    seeds: Sequence[int] = (0,),
    limit: int | None = None,
    crop: Crop | None = None,
    workers: int = 1,
) -> Run:
    """The run whose clips are to be reconstructed; made in `out` where `clips` is no run. It is not scored.

    Args:
        clips: A run folder; a folder of video files, at any depth; or name or folder of a suite of the moving-shapes
            world, which draws the clips.
        out: Folder of runs.
        seeds: For a suite: one clip per prompt and seed.
        limit: Take only the first so many prompts, or files. A run is taken as it is.
        crop: Cut every clip to this, in a run of its own.
        workers: Processes.

    Raises:
        UsageError: There is nothing of that name, or a suite of prompts that the world cannot draw.
        NothingSelectedError: There is no clip, or none as large as the crop.
    """
    path = Path(clips)
    if (path / "run.json").is_file():
        run = open_run(path)
    elif str(clips) in suite_folders() or (path / CARD_FILE).is_file():
        run = _drawn(clips, out=out, seeds=seeds, limit=limit, workers=workers)
    elif path.is_dir():
        suite = folder_suite(path)
        manifest = write_folder_manifest(path, suite, out)
        run = api.run(f"folder:{manifest}", suite, metrics=(), limit=limit, out=out, workers=workers)
    else:
        raise UsageError(
            f"no clips at {str(clips)!r}: neither a run, nor a folder of video files, nor a suite",
            hint="give runs/RUN, a folder, or moving-shapes",
        )
    _refuse_empty(run)
    if crop is not None:
        suite = derived_suite(run, run.info["suite"]["name"], f"{crop}-{open_reference(run.folder).hash[:12]}")
        generator = CroppedClips(SourceRun(run), crop)
        run = api.run(generator, suite, metrics=(), seeds=run.info["seeds"], limit=limit, out=out)
        _refuse_empty(run)
    return run


def _drawn(clips: str | Path, *, out: Path, seeds: Sequence[int], limit: int | None, workers: int) -> Run:
    suite = load_suite(clips)
    if any(prompt.ground_truth is None for prompt in suite.prompts):
        raise UsageError(
            f"suite {suite.name!r} has prompts and no clips",
            hint=f"generate them first: stepbench run -M GENERATOR -t {clips}, then reconstruct -t runs/RUN",
        )
    return api.run(WORLD, suite, metrics=(), seeds=seeds, limit=limit, out=out, workers=workers)


def _refuse_empty(run: Run) -> None:
    samples = run.samples().to_dict("records")
    if not any(row["outcome"] == "ok" for row in samples):
        raise NothingSelectedError(
            f"{run.folder} has no clip to reconstruct: {samples[-1]['error'] or 'none was made yet'}",
            hint=f"`stepbench show {run.folder}` lists the failures",
        )
