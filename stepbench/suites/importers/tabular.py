"""CSV with a header, and JSON lines or a JSON list, as records with line numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stepbench.suites.importers.source import numbered_entries, numbered_lines, parse_json, refuse_problems

_DELIMITERS = ",\t;"


def csv_delimiter(text: str, required: Iterable[str]) -> str | None:
    """The delimiter under which the first line is a header with one of the `required` columns, or None."""
    first_line = text.lstrip("\r\n").splitlines()[:1]
    for delimiter in _DELIMITERS:
        for cells in csv.reader(first_line, delimiter=delimiter):
            if {cell.strip().lower() for cell in cells} & set(required):
                return delimiter
    return None


def csv_records(text: str, path: Path, required: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """The rows below the header as (line, column -> cell). Column names are lower case; cells are as they stand.

    Raises:
        SuiteError: No column of `required`, a column twice, a row of another length, or broken quoting.
    """
    problems: list[str] = []
    table = list(_rows(text, csv_delimiter(text, required) or ",", path, problems)) or [(1, [])]
    header = [name.strip().lower() for name in table[0][1]]
    if not set(required) & set(header):
        columns = " or ".join(f"`{name}`" for name in required)
        problems.append(f"{path}:1: the header needs a column {columns}, got {', '.join(header)!r:.80}")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        problems.append(f"{path}:1: column {repeated[0]!r} stands twice in the header")
    problems += [
        f"{path}:{line}: {len(cells)} cells under a header of {len(header)}"
        for line, cells in table[1:]
        if len(cells) != len(header)
    ]
    refuse_problems(path, problems)
    return [(line, dict(zip(header, cells, strict=True))) for line, cells in table[1:]]


def json_records(text: str, path: Path) -> list[tuple[int, Any]]:
    """The values of JSON lines, or the entries of a JSON list, as (line, value).

    Raises:
        SuiteError: A line that is not JSON.
    """
    if text.lstrip().startswith("["):
        parse_json(text, path)
        return numbered_entries(text)
    return [(line, parse_json(content, path, line)) for line, content in numbered_lines(text)]


def _rows(text: str, delimiter: str, path: Path, problems: list[str]) -> Iterator[tuple[int, list[str]]]:
    # newline="" keeps line ends inside quoted cells as they are.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        problems.append(f"{path}:{start}: not CSV: {error}")
