"""Bring a folder of clips in: hold it against a suite, write a manifest, make a run of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from stepbench import api
from stepbench.errors import NothingSelectedError
from stepbench.layouts import ScanReport, scan_folder
from stepbench.records import Suite
from stepbench.runs.journal import saving
from stepbench.runs.run import Run

MANIFESTS = "imports"
"""Folder below the folder of runs that keeps the manifests; what was imported is left untouched."""


def scan_clips(folder: Path, layout: str, suite: Suite, *, samples: int | None = None) -> ScanReport:
    """What a folder holds of a suite: found, missing, duplicate, corrupt, too short, stray.

    Raises:
        UsageError: No such folder or layout.
        NothingSelectedError: The folder holds no clip of the suite.
    """
    report = scan_folder(folder, layout, suite, samples=samples)
    if not any(entry.planned and entry.status != "missing" for entry in report.entries):
        raise NothingSelectedError(
            f"{folder} holds no clip of suite {suite.name!r} in layout {layout}\n{report.text()}",
            hint="check layout and suite; names must follow the layout",
        )
    return report


def import_clips(
    report: ScanReport,
    suite: Suite,
    *,
    name: str,
    out: Path,
    run_id: str | None = None,
    metrics: Sequence[str] | None = None,
    workers: int = 1,
) -> Run:
    """Make a run of scanned clips, and score it. Clips are linked where the disk allows, else copied.

    What the scan did not find stays in the plan as failed samples, so coverage is honest.

    Args:
        name: Name of the model that made the clips.
        metrics: As in `stepbench.api.run`; an empty sequence scores nothing.

    Raises:
        IncompleteError: The run folder cannot be written.
    """
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") or "model"
    manifest = out / MANIFESTS / f"{suite.name}-{slug}" / "manifest.jsonl"
    with saving(manifest):
        report.write_manifest(manifest, name=name)
    return api.run(
        f"folder:{manifest}",
        suite,
        metrics=metrics,
        seeds=report.seeds,
        split="all",
        out=out,
        run_id=run_id,
        workers=workers,
    )
