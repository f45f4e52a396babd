"""The files a gate leaves behind: JUnit XML, Markdown and JSON."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from stepbench.gate.junit import junit_xml
from stepbench.gate.markdown import markdown as as_markdown
from stepbench.gate.result import GateResult, WhenInconclusive
from stepbench.runs.folder import write_atomically
from stepbench.runs.journal import saving


def write_reports(
    result: GateResult,
    *,
    junit: Path | None = None,
    markdown: Path | None = None,
    out: Path | None = None,
    inconclusive: WhenInconclusive = "fail",
) -> None:
    """Write each report that has a path; missing folders are made.

    Markdown is added at the end where its path is GitHub's job summary, which other steps write to as well. The JSON
    form bears the time of the check, so that verdicts can be shown over time.

    Raises:
        IncompleteError: A file cannot be written.
    """
    if junit is not None:
        _replace(junit, junit_xml(result, inconclusive))
    if markdown is not None and _is_job_summary(markdown):
        with saving(markdown), markdown.open("a", encoding="utf-8") as handle:
            handle.write(as_markdown(result) + "\n")
    elif markdown is not None:
        _replace(markdown, as_markdown(result))
    if out is not None:
        checked_at = datetime.now(UTC).isoformat(timespec="seconds")
        record = {"checked_at": checked_at, **result.to_json()}
        _replace(out, json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def _replace(path: Path, text: str) -> None:
    with saving(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text)


def _is_job_summary(path: Path) -> bool:
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    return bool(summary) and path.resolve() == Path(summary or "").resolve()
