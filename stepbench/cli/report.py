"""`stepbench report runs/BASELINE runs/OTHER... -o report.html -o table.tex`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from stepbench.cli.options import Json, split_names
from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode


def report_command(
    runs: list[Path],
    /,
    *,
    out: Annotated[list[Path], Parameter(name=["--out", "-o"], negative="")],
    format_: Annotated[Literal["html", "md", "tex", "csv", "json"] | None, Parameter(name="--format")] = None,
    metrics: Annotated[list[str] | None, Parameter(name=["--metrics", "--metric", "-m"], negative="")] = None,
    title: str | None = None,
    examples: int = 3,
    lead: str | None = None,
    videos: Literal["embed", "link", "none"] = "embed",
    video_budget: float = 24.0,
    allow_incomparable: str | None = None,
    json: Json = False,
) -> int:
    """Write a report: tables with intervals, plots, side-by-side clips, recipe. The first run is the baseline.

    Exit code 3 when a run is not finished yet, 4 when runs are not comparable, 5 when no run has a score.

    Args:
        runs: One or more run folders, the baseline first.
        out: File to write, ending in .html, .md, .tex, .csv or .json; can be repeated.
        format_: Format of every file, whatever its ending.
        metrics: Only these metrics, by commas.
        title: Head of the report.
        examples: Prompts per rule (most different, best, worst) shown with clips; 0 for none.
        lead: Metric by which they are chosen; the one with the clearest difference unless given.
        videos: embed (small H.264 inside the page), link (files beside the page), or none.
        video_budget: Megabytes of video that the page may embed.
        allow_incomparable: Show runs that are not comparable all the same, apart, for this reason, which is printed.
    """
    from stepbench.reporting import write_report
    from stepbench.reporting.headline import is_unfinished

    report = write_report(
        runs,
        *out,
        format=format_,
        metrics=split_names(metrics),
        title=title,
        examples=examples,
        lead=lead,
        videos=videos,
        video_budget_mb=video_budget,
        allow_incomparable=allow_incomparable,
    )
    if json:
        record = {"files": [str(path) for path in out], "title": report.title, "summary": list(report.summary)}
        print_records([record | {"warnings": list(report.warnings)}])
    for text in (*report.summary, *report.warnings):
        note(text)
    note(f"report: {', '.join(map(str, out))}")
    return ExitCode.INCOMPLETE if any(map(is_unfinished, report.runs)) else ExitCode.OK
