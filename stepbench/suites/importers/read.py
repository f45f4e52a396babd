"""From the path of a prompt file to a suite."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from stepbench.canonical import sha256_file, sha256_json
from stepbench.errors import UsageError
from stepbench.suites.format import write_suite
from stepbench.suites.importers import compbench, evalcrafter, step_video_eval, tables, vbench
from stepbench.suites.importers.assemble import assemble
from stepbench.suites.importers.detect import detect_format
from stepbench.suites.importers.report import ImportedSuite
from stepbench.suites.importers.rows import ParsedPrompts

PROMPT_FORMATS: dict[str, Callable[[Path], ParsedPrompts]] = {
    "step-video-eval": step_video_eval.read,
    "vbench": vbench.read,
    "evalcrafter": evalcrafter.read,
    "compbench": compbench.read,
    "csv": tables.read_csv,
    "jsonl": tables.read_json_rows,
    "text": tables.read_plain_text,
}
"""Format name -> reader of a file or, for evalcrafter and compbench, of a folder."""


def read_prompt_file(path: str | Path, *, layout: str | None = None) -> ImportedSuite:
    """A prompt file, or a folder of prompt files, as a suite.

    Texts are kept exactly as they stand. Ids of the file are kept where they are safe as file names; other ids are a
    running number and a few words. What was guessed, merged, renamed or left out is in the report.

    Args:
        path: File in one of `PROMPT_FORMATS`, or an EvalCrafter `prompts` or T2V-CompBench folder.
        layout: Name of the format; None detects it from the content.

    Raises:
        UsageError: No such path, or an unknown format.
        SuiteError: The file is empty or breaks its format; every bad row is named with file and line.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"no prompt file at {path}", hint="check the path")
    if layout is not None and layout not in PROMPT_FORMATS:
        close = difflib.get_close_matches(layout, PROMPT_FORMATS, n=2) or list(PROMPT_FORMATS)
        raise UsageError(f"no prompt format {layout!r}", hint=f"choose from {', '.join(close)}")
    if path.is_dir() and layout not in (None, "evalcrafter", "compbench"):
        raise UsageError(f"format {layout} is a file, {path} is a folder", hint="name the file in it")
    format_name, detected = (layout, "as asked") if layout else detect_format(path)
    parsed = PROMPT_FORMATS[format_name](path)
    return assemble(parsed, path, format_name=format_name, detected=detected, sha256=_sha256(path))


def write_imported_suite(imported: ImportedSuite, folder: str | Path) -> Path:
    """Write the suite as a suite folder, which `load_suite` reads back.

    Raises:
        UsageError: The folder already holds a suite.
    """
    folder = Path(folder)
    if (folder / "suite.toml").exists():
        raise UsageError(f"{folder} already holds a suite", hint="choose another folder, or remove that one")
    write_suite(folder, imported.suite.card, imported.suite.prompts)
    return folder


def _sha256(path: Path) -> str:
    if path.is_file():
        return sha256_file(path)
    return sha256_json([[file.name, sha256_file(file)] for file in sorted(path.iterdir()) if file.is_file()])
