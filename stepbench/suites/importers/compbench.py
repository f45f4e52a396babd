"""T2V-CompBench prompts: one JSON list or one text file per category, or a folder of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from stepbench.errors import SuiteError
from stepbench.suites.importers.rows import Origin, ParsedPrompts, PromptRow
from stepbench.suites.importers.source import (
    numbered_entries,
    numbered_lines,
    parse_json,
    read_text,
    refuse_problems,
)

ORIGIN = Origin(
    name="t2v-compbench",
    title="T2V-CompBench prompts",
    licence="see the source",
    source="https://github.com/KaiyueSun98/T2V-CompBench",
    citation="Sun et al., T2V-CompBench: A Comprehensive Benchmark for Compositional Text-to-video Generation, "
    "CVPR 2025, arXiv 2407.14505",
)
CATEGORIES: dict[str, tuple[str, ...]] = {
    "consistent_attribute_binding": ("consistent_attr", "consistent_attribute"),
    "dynamic_attribute_binding": ("dynamic_attr", "dynamic_attribute"),
    "spatial_relationships": ("spatial_relationship", "spatial"),
    "motion_binding": ("motion",),
    "action_binding": ("action",),
    "object_interactions": ("interaction", "interactions", "object_interaction"),
    "generative_numeracy": ("numeracy",),
}
"""Category -> the other spellings that upstream uses for its files and folders."""


def category_of(name: str) -> str | None:
    """The category that a file or folder name stands for (`1_consistent_attr`, `numeracy`), or None."""
    plain = re.sub(r"^\d+_", "", name.lower().replace("-", "_").replace(" ", "_"))
    for category, spellings in CATEGORIES.items():
        if plain == category or plain in spellings:
            return category
    return None


def read(path: Path) -> ParsedPrompts:
    """Rows of one category's file, or of all the files of a folder in the order of `CATEGORIES`.

    Raises:
        SuiteError: A folder without such files, two files for one category, or an entry without a prompt.
    """
    files = _category_files(path) if path.is_dir() else {category_of(path.stem) or path.stem: path}
    rows = [row for category, file in files.items() for row in _category_rows(category, file)]
    return ParsedPrompts(rows=tuple(rows), origin=ORIGIN)


def _category_files(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        category = category_of(path.stem) if path.suffix in (".json", ".txt") else None
        if category is None:
            continue
        if category in found:
            raise SuiteError(
                f"{folder}: {found[category].name} and {path.name} are both {category}", hint="keep one of the two"
            )
        found[category] = path
    if not found:
        raise SuiteError(f"{folder} holds no T2V-CompBench file", hint=f"files are named {', '.join(CATEGORIES)}")
    return {category: found[category] for category in CATEGORIES if category in found}


def _category_rows(category: str, path: Path) -> list[PromptRow]:
    text = read_text(path)
    if not text.lstrip().startswith("["):
        lines = numbered_lines(text)
        return [_row(category, number, line, f"{path}:{at}") for number, (at, line) in enumerate(lines, start=1)]
    parse_json(text, path)
    rows, problems = [], []
    for number, (at, entry) in enumerate(numbered_entries(text), start=1):
        if isinstance(entry, dict) and isinstance(entry.get("prompt"), str):
            attributes = {key: value for key, value in entry.items() if key != "prompt"}
            rows.append(_row(category, number, entry["prompt"], f"{path}:{at}", attributes))
        else:
            problems.append(f"{path}:{at}: an entry needs a prompt, got {entry!r:.80}")
    refuse_problems(path, problems)
    return rows


def _row(category: str, number: int, text: str, where: str, attributes: dict[str, Any] | None = None) -> PromptRow:
    return PromptRow(
        where=where,
        text=text,
        # The number of the clip in its category's folder.
        id=f"{category}-{number:04d}",
        category=category,
        ground_truth={"attributes": attributes} if attributes else None,
    )
