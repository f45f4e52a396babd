"""Step-Video-T2V-Eval: 128 Chinese prompts, one per line; their categories follow from the order of the lines."""

from __future__ import annotations

from pathlib import Path

from stepbench.canonical import sha256_file
from stepbench.errors import SuiteError
from stepbench.suites.importers.rows import Origin, ParsedPrompts, PromptRow, has_han
from stepbench.suites.importers.source import numbered_lines, read_text

PINNED_SHA256 = "02a404b88e14b55fb54770ef2e096dc11b102cef56d129dad2cfe90fcb5a965b"
CATEGORY_SIZES: tuple[tuple[str, int], ...] = (
    ("Sports", 12),
    ("Food", 11),
    ("Scenery", 12),
    ("Animals", 12),
    ("Festivals", 11),
    ("Combination Concepts", 12),
    ("Surreal", 11),
    ("People", 12),
    ("3D Animation", 12),
    ("Cinematography", 11),
    ("Style", 12),
)
"""Sizes from the totals of Table 7 of arXiv 2502.10248; the file itself names no category."""
ORIGIN = Origin(
    name="step-video-eval",
    title="Step-Video-T2V-Eval",
    licence="MIT",
    source="https://github.com/stepfun-ai/Step-Video-T2V/blob/main/benchmark/Step-Video-T2V-Eval",
    citation="Step-Video-T2V Technical Report, arXiv 2502.10248",
)
SIZE = sum(size for _, size in CATEGORY_SIZES)


def read(path: Path) -> ParsedPrompts:
    """Rows of the file, with categories by position.

    Raises:
        SuiteError: The file has more or fewer than 128 lines that are not blank.
    """
    lines = numbered_lines(read_text(path))
    if len(lines) != SIZE:
        raise SuiteError(
            f"{path}: Step-Video-T2V-Eval has {SIZE} prompts, this file has {len(lines)}; "
            "categories go by line order, so they cannot be told",
            hint="fetch the file again, or read it as plain text (format text) without categories",
        )
    categories = [name for name, size in CATEGORY_SIZES for _ in range(size)]
    rows = tuple(
        PromptRow(
            where=f"{path}:{at}",
            text=text,
            id=f"step-video-eval-{number:03d}",
            language="zh" if has_han(text) else None,
            category=category,
        )
        for number, ((at, text), category) in enumerate(zip(lines, categories, strict=True), start=1)
    )
    found = sha256_file(path)
    notes = () if found == PINNED_SHA256 else (f"the file's sha256 differs from the pinned one, {PINNED_SHA256}",)
    return ParsedPrompts(rows=rows, origin=ORIGIN, notes=notes)
