"""Write a run's clips in another layout."""

from __future__ import annotations

import difflib
from pathlib import Path

from stepbench.errors import IncompleteError, NothingSelectedError, UsageError
from stepbench.layouts.export_manifest import export_manifest
from stepbench.layouts.export_report import ExportReport
from stepbench.layouts.export_source import ExportableRun, samples_of
from stepbench.layouts.export_vbench import export_vbench, vbench_notes

EXPORT_LAYOUTS: dict[str, str] = {
    "vbench": "videos/{prompt}-{index}.mp4 and full_info.json",
    "manifest": "clips/, manifest.jsonl and prompts.jsonl",
}
"""Layout -> help line."""


def export_run(
    run: ExportableRun,
    layout: str,
    destination: str | Path,
    *,
    masters: bool = False,
    copy: bool = False,
) -> ExportReport:
    """Export the clips of a run.

    No clip is re-encoded and no name is bent: what the layout has no name for stays behind and is reported.

    Args:
        run: A run as `open_run` gives it.
        layout: One of `EXPORT_LAYOUTS`.
        destination: A new or empty folder.
        masters: For `vbench`: export a lossless master even if VBench cannot read it and the run has an H.264 preview.
        copy: Copy the files. Otherwise they are hard links where the disk allows it, which share the run's bytes.

    Raises:
        UsageError: Unknown layout, or a destination that holds something.
        NothingSelectedError: The run has no samples.
        IncompleteError: The destination could not be written to the end.
    """
    destination = Path(destination)
    if layout not in EXPORT_LAYOUTS:
        close = difflib.get_close_matches(layout, EXPORT_LAYOUTS, n=2) or list(EXPORT_LAYOUTS)
        raise UsageError(f"cannot export to layout {layout!r}", hint=f"choose from {', '.join(close)}")
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise UsageError(f"{destination} is not an empty folder", hint="choose a new folder for the export")
    samples = samples_of(run)
    if not samples:
        raise NothingSelectedError(f"run {run.folder} has no samples", hint="generate it first")
    seeds = {seed: index for index, seed in enumerate(sorted({sample["seed"] for sample in samples}))}
    notes: list[str] = []
    try:
        if layout == "vbench":
            rows = export_vbench(run, samples, seeds, destination, masters=masters, copy=copy)
            notes = vbench_notes(samples, rows, seeds)
        else:
            rows = export_manifest(run, samples, seeds, destination, copy=copy)
    except OSError as error:
        raise IncompleteError(
            f"the export to {destination} broke off: {error}", hint="make room or choose another disk, then start again"
        ) from error
    return ExportReport(destination=destination, layout=layout, rows=tuple(rows), seeds=seeds, notes=tuple(notes))
