"""Which format a prompt file is in. Content decides; a name is asked only where two formats look the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file
from stepbench.errors import SuiteError, UsageError
from stepbench.suites.importers import compbench, step_video_eval
from stepbench.suites.importers.rows import has_han, slug
from stepbench.suites.importers.source import numbered_lines, parse_json, read_text
from stepbench.suites.importers.tables import COLUMNS, TEXT_KEYS
from stepbench.suites.importers.tabular import csv_delimiter


def detect_format(path: Path) -> tuple[str, str]:
    """The format's name and the reason for it.

    Raises:
        UsageError: A folder that holds no known prompt files.
        SuiteError: An empty file, or one that begins like JSON and is none.
    """
    if path.is_dir():
        return _detect_folder(path)
    if sha256_file(path) == step_video_eval.PINNED_SHA256:
        return "step-video-eval", "the pinned sha256"
    text = read_text(path)
    if not text.strip():
        raise SuiteError(f"{path}:1: the file is empty", hint="give a file with at least one prompt")
    if text.lstrip()[0] in "[{":
        return _detect_json(text, path)
    return _detect_lines(text, path)


def _detect_folder(folder: Path) -> tuple[str, str]:
    names = sorted(path.name for path in folder.iterdir())
    if any(Path(name).stem.isdecimal() and name.endswith(".txt") for name in names):
        return "evalcrafter", "a folder of NNNN.txt"
    if any(compbench.category_of(Path(name).stem) for name in names if name.endswith((".json", ".txt"))):
        return "compbench", "a folder of T2V-CompBench categories"
    raise UsageError(
        f"{folder} is neither a suite folder nor a folder of prompt files",
        hint="a suite folder holds suite.toml and prompts.jsonl; `stepbench import --help` lists prompt formats",
    )


def _detect_json(text: str, path: Path) -> tuple[str, str]:
    lines = numbered_lines(text)
    if text.lstrip()[0] == "{" and len(lines) > 1 and lines[0][1].rstrip().endswith("}"):
        return "jsonl", "one JSON object per line"
    try:
        value = parse_json(text, path)
    except SuiteError as error:
        raise SuiteError(
            error.message, hint="mend it; if it is plain text, one prompt per line, say format text"
        ) from error
    if isinstance(value, dict):
        numbered = value and all(key.isdecimal() for key in value)
        return ("evalcrafter", "an object of numbered prompts") if numbered else ("jsonl", "one JSON object")
    if any(isinstance(entry, dict) and "prompt_en" in entry for entry in value):
        return "vbench", "a list of entries with prompt_en"
    return _detect_json_list(value, path)


def _detect_json_list(value: list[Any], path: Path) -> tuple[str, str]:
    category = compbench.category_of(path.stem)
    if category and any(isinstance(entry, dict) and "prompt" in entry for entry in value):
        return "compbench", f"a list of prompts named as category {category}"
    return "jsonl", "a JSON list"


def _detect_lines(text: str, path: Path) -> tuple[str, str]:
    if path.suffix.lower() in (".csv", ".tsv"):
        return "csv", "the file's ending"
    delimiter = csv_delimiter(text, TEXT_KEYS)
    header = numbered_lines(text)[0][1].split(delimiter or ",")
    if delimiter and len(header) > 1 and all(cell.strip().lower() in COLUMNS for cell in header):
        return "csv", "a header of known columns"
    lines = [line for _, line in numbered_lines(text)]
    name = slug(path.stem)
    if "step-video" in name and "eval" in name:
        return "step-video-eval", "the file's name"
    if len(lines) == step_video_eval.SIZE and all(has_han(line) for line in lines):
        return "step-video-eval", f"{step_video_eval.SIZE} lines of Chinese"
    if "evalcrafter" in name:
        return "evalcrafter", "the file's name"
    if path.stem[:1].isdecimal() and compbench.category_of(path.stem):
        return "compbench", f"lines of prompts named as category {compbench.category_of(path.stem)}"
    return "text", "one prompt per line"
