"""Prompt files of other projects in, one `Suite` out, with a report of what was guessed, merged or left out."""

from stepbench.suites.importers.fetch import fetch_step_video_eval
from stepbench.suites.importers.read import PROMPT_FORMATS, read_prompt_file, write_imported_suite
from stepbench.suites.importers.report import ImportedSuite, ImportReport

__all__ = [
    "PROMPT_FORMATS",
    "ImportReport",
    "ImportedSuite",
    "fetch_step_video_eval",
    "read_prompt_file",
    "write_imported_suite",
]
