"""EvalCrafter prompts: `metadata.json`, a text file of one prompt per line, or a folder of `NNNN.txt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepbench.errors import SuiteError
from stepbench.suites.importers.rows import Origin, ParsedPrompts, PromptRow
from stepbench.suites.importers.source import numbered_lines, parse_json, read_text, refuse_problems

NUMBER_TAG = "evalcrafter:"
"""Carries the number by which EvalCrafter names the clip, counted from 0000."""
ORIGIN = Origin(
    name="evalcrafter",
    title="EvalCrafter prompts",
    licence="see the source",
    source="https://github.com/evalcrafter/EvalCrafter",
    citation="Liu et al., EvalCrafter: Benchmarking and Evaluating Large Video Generation Models, CVPR 2024, "
    "arXiv 2310.11440",
)


def read(path: Path) -> ParsedPrompts:
    """Rows of any of the three forms. Repeated texts stay apart: EvalCrafter asks for a clip of each.

    Raises:
        SuiteError: An entry without a number or a prompt, with its file and line.
    """
    if path.is_dir():
        return _parsed(_folder_rows(path))
    text = read_text(path)
    if text.lstrip().startswith("["):
        refuse_problems(path, [f"{path}:1: EvalCrafter's JSON is an object of numbered prompts, this is a list"])
    return _parsed(_json_rows(text, path) if text.lstrip().startswith("{") else _line_rows(text, path))


def number_of(tags: tuple[str, ...]) -> int | None:
    """The number in EvalCrafter's own count, if the prompt came from there."""
    numbers = [int(tag.removeprefix(NUMBER_TAG)) for tag in tags if tag.startswith(NUMBER_TAG)]
    return numbers[0] if numbers else None


def _parsed(rows: list[PromptRow]) -> ParsedPrompts:
    return ParsedPrompts(rows=tuple(rows), origin=ORIGIN)


def _row(number: str, text: str, where: str, attributes: dict[str, Any] | None = None) -> PromptRow:
    attributes = attributes or {}
    return PromptRow(
        where=where,
        text=text,
        id=f"evalcrafter-{number}",
        tags=(f"{NUMBER_TAG}{number}", *(f"attribute:{name}" for name in attributes)),
        ground_truth={"attributes": attributes} if attributes else None,
    )


def _line_rows(text: str, path: Path) -> list[PromptRow]:
    return [
        _row(f"{number:04d}", line, f"{path}:{line_number}")
        for number, (line_number, line) in enumerate(numbered_lines(text))
    ]


def _folder_rows(folder: Path) -> list[PromptRow]:
    files = sorted((path for path in folder.glob("*.txt") if path.stem.isdecimal()), key=lambda path: int(path.stem))
    if not files:
        raise SuiteError(f"{folder} holds no NNNN.txt", hint="give the folder EvalCrafter calls `prompts`")
    return [_row(path.stem, read_text(path).rstrip("\r\n"), f"{path}:1") for path in files]


def _json_rows(text: str, path: Path) -> list[PromptRow]:
    entries = parse_json(text, path)
    rows, problems = [], []
    for key, entry in entries.items():
        line = text.count("\n", 0, text.find(f'"{key}"')) + 1
        where = f"{path}:{line}"
        if not key.isdecimal():
            problems.append(f"{where}: key {key!r} is no number such as 0000")
        elif not isinstance(entry, dict) or not isinstance(entry.get("prompt"), str):
            problems.append(f"{where}: entry {key!r} needs a prompt, got {entry!r:.80}")
        elif not isinstance(entry.get("attributes", {}), dict):
            problems.append(f"{where}: attributes must be an object, got {entry['attributes']!r:.80}")
        else:
            rows.append(_row(key, entry["prompt"], where, entry.get("attributes")))
    refuse_problems(path, problems)
    return rows
