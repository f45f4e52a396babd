"""The files a gate leaves behind: JUnit XML, Markdown and JSON."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from stepbench.errors import StepbenchError
from stepbench.gate.junit import junit_refusal, junit_xml
from stepbench.gate.markdown import markdown as as_markdown
from stepbench.gate.markdown import markdown_refusal
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
    if markdown is not None:
        _write_markdown(markdown, as_markdown(result))
    if out is not None:
        checked_at = datetime.now(UTC).isoformat(timespec="seconds")
        record = {"checked_at": checked_at, **result.to_json()}
        _replace(out, json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def write_refusal(error: StepbenchError, *, junit: Path | None = None, markdown: Path | None = None) -> None:
    """Say in the reports that there is no verdict, and why; a report of an earlier check would be taken for this one's.

    Raises:
        IncompleteError: A file cannot be written.
    """
    if junit is not None:
        _replace(junit, junit_refusal(error))
    if markdown is not None:
        _write_markdown(markdown, markdown_refusal(error))


def _write_markdown(path: Path, text: str) -> None:
    if not _is_job_summary(path):
        _replace(path, text)
        return
    with saving(path), path.open("a", encoding="utf-8") as handle:
        handle.write(text + "\n")


def _replace(path: Path, text: str) -> None:
    with saving(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text)


def _is_job_summary(path: Path) -> bool:
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    return bool(summary) and path.resolve() == Path(summary or "").resolve()
