"""Reports as files: the ending of a name decides the format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.errors import UsageError
from stepbench.reporting.build import ExampleOptions, build_report
from stepbench.reporting.model import Report
from stepbench.runs.folder import write_atomically
from stepbench.runs.journal import saving

if TYPE_CHECKING:
    from stepbench.runs.run import Run

FORMATS = ("html", "md", "tex", "csv", "json")


def write_report(
    runs: Sequence[str | Path | Run],
    *paths: str | Path,
    examples: int = 3,
    lead: str | None = None,
    videos: str = "embed",
    video_budget_mb: float | None = None,
    format: str | None = None,
    **options: Any,
) -> Report:
    """Write a report of one run, or of several against the first, to every path.

    Args:
        runs: Run folders or opened runs, the baseline first.
        paths: Files ending in .html, .md, .tex, .csv or .json; folders above them are made.
        examples: Prompts per rule (most different, best, worst) whose clips an HTML page shows.
        lead: Metric by which they are chosen; the one with the clearest difference unless given.
        videos: `embed`, `link` (files beside the page) or `none`.
        video_budget_mb: Million bytes of video that the page may embed.
        format: Format of every path, whatever its ending.
        options: `metrics`, `allow_incomparable` and `title`, as in `stepbench.reporting.build.build_report`.

    Returns:
        What was written, as data.

    Raises:
        UsageError: No path, an ending that no format has, or an option out of range.
        NotComparableError: Runs differ in a field that decides what the numbers mean.
        NothingSelectedError: No run has a score.
        IncompleteError: A file cannot be written.
    """
    if not paths:
        raise UsageError("need a file to write to, got none", hint="for example -o report.html")
    chosen = [(Path(path), format_of(Path(path), format)) for path in paths]
    pages = [path for path, name in chosen if name == "html"]
    budget = {} if video_budget_mb is None else {"video_budget_mb": video_budget_mb}
    page = pages[0] if pages else None
    shown = ExampleOptions(count=examples, lead=lead, videos=videos if page else "none", page=page, **budget)
    report = build_report(runs, examples=shown, **options)
    for path, name in chosen:
        text = _writer(name)(report)
        with saving(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    return report


def format_of(path: Path, wanted: str | None = None) -> str:
    """The format of a path: as wanted, else by its ending.

    Raises:
        UsageError: No such format.
    """
    name = wanted or {"htm": "html", "markdown": "md"}.get(ending := path.suffix.lower().lstrip("."), ending)
    if name not in FORMATS:
        raise UsageError(
            f"no report format {name!r} (of {path})", hint=f"end the name in .{', .'.join(FORMATS)}, or pass --format"
        )
    return name


def _writer(name: str) -> Callable[[Report], str]:
    if name == "html":
        from stepbench.reporting.html import html_page

        return html_page
    if name == "md":
        from stepbench.reporting.markdown import markdown_text

        return markdown_text
    if name == "tex":
        from stepbench.reporting.latex import latex_text

        return latex_text
    from stepbench.reporting.long_form import csv_text, json_text

    return csv_text if name == "csv" else json_text
