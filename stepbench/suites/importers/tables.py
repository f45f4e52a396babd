"""Our own exchange formats: CSV with a header, JSON lines or a JSON list, and plain text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepbench.suites.importers.rows import Origin, ParsedPrompts, PromptRow, slug
from stepbench.suites.importers.source import numbered_lines, read_text, refuse_problems
from stepbench.suites.importers.tabular import csv_records, json_records

TEXT_KEYS = ("text", "prompt")
_LABELS = ("id", "language", "category", "pair_id", "split")
COLUMNS = (*TEXT_KEYS, *_LABELS, "tags")


def read_csv(path: Path) -> ParsedPrompts:
    """Rows of a table whose header has `text` or `prompt`, and any other of `COLUMNS`; tags are separated by `;`.

    Raises:
        SuiteError: No such header, a row of another length, or broken quoting, each with its line.
    """
    records = csv_records(read_text(path), path, TEXT_KEYS)
    return _parsed([(line, _from_cells(cells)) for line, cells in records], path, COLUMNS)


def read_json_rows(path: Path) -> ParsedPrompts:
    """Rows of JSON lines, or of a JSON list: objects with `text` or `prompt` and any other field of a suite's prompts.

    Raises:
        SuiteError: A line that is no JSON object, has no text, or a field of the wrong type, each with its line.
    """
    records = json_records(read_text(path), path)
    plain = [(line, {"text": record} if isinstance(record, str) else record) for line, record in records]
    return _parsed(plain, path, (*COLUMNS, "ground_truth"))


def read_plain_text(path: Path) -> ParsedPrompts:
    """One prompt per line; blank lines separate and count for nothing."""
    lines = numbered_lines(read_text(path))
    return ParsedPrompts(
        rows=tuple(PromptRow(where=f"{path}:{line}", text=text) for line, text in lines), origin=_origin(path)
    )


def _from_cells(cells: dict[str, str]) -> dict[str, Any]:
    # Blanks round a label are how people lay out tables; blanks in a prompt are part of it.
    record: dict[str, Any] = {
        name: cell if name in TEXT_KEYS else cell.strip()
        for name, cell in cells.items()
        if cell.strip() or name in TEXT_KEYS
    }
    if "tags" in record:
        record["tags"] = [tag.strip() for tag in record["tags"].split(";") if tag.strip()]
    return record


def _parsed(records: list[tuple[int, Any]], path: Path, known: tuple[str, ...]) -> ParsedPrompts:
    rows, problems = [], []
    ignored: set[str] = set()
    for line, record in records:
        where = f"{path}:{line}"
        problem = _problem(record)
        if problem:
            problems.append(f"{where}: {problem}")
            continue
        ignored |= record.keys() - set(known)
        rows.append(_row(record, where))
    refuse_problems(path, problems)
    return ParsedPrompts(rows=tuple(rows), origin=_origin(path), ignored_keys=tuple(sorted(ignored)))


def _problem(record: Any) -> str:
    if not isinstance(record, dict):
        return f"a row is an object, got {record!r:.80}"
    texts = [record[key] for key in TEXT_KEYS if key in record]
    if not texts:
        return "no `text` and no `prompt`"
    if not all(isinstance(text, str) for text in texts):
        return f"text must be text, got {texts!r:.80}"
    if len(set(texts)) > 1:
        return f"`text` and `prompt` differ: {texts[0]!r:.60} and {texts[1]!r:.60}"
    for key in _LABELS:
        if not isinstance(record.get(key), str | int | None) or isinstance(record.get(key), bool):
            return f"{key} must be text, got {record[key]!r:.80}"
    tags = record.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return f"tags must be a list of texts, got {tags!r:.80}"
    if not isinstance(record.get("ground_truth") or {}, dict):
        return f"ground_truth must be an object, got {record['ground_truth']!r:.80}"
    return ""


def _row(record: dict[str, Any], where: str) -> PromptRow:
    return PromptRow(
        where=where,
        text=next(record[key] for key in TEXT_KEYS if key in record),
        tags=tuple(record.get("tags") or ()),
        ground_truth=record.get("ground_truth"),
        **{key: str(record[key]) for key in _LABELS if record.get(key) is not None},
    )


def _origin(path: Path) -> Origin:
    return Origin(name=slug(path.stem) or "imported", title=path.stem, source=path.name)
