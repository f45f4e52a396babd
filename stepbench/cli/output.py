"""How commands speak: records as JSON lines on stdout, tables and notes for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_SHOWN = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {0x7F: 0x2421, 0x9B: 0x241B}
"""Control characters as their pictures: a prompt that holds some must not steer the reader's terminal."""


def note(text: str) -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr)


def print_records(records: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object per line on stdout; NaN becomes null."""
    for record in records:
        print(json.dumps(_plain(record), ensure_ascii=False, allow_nan=False, default=str))


def print_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, title: str = "", whole: Sequence[str] = ()
) -> None:
    """A table on stdout. Values are data, never markup: a prompt may hold square brackets.

    Args:
        whole: Columns that are never broken over lines, such as addresses, which are there to be copied.
    """
    table = Table(title=Text(title) if title else None, title_justify="left", header_style="bold")
    for column in columns:
        numeric = any(isinstance(row.get(column), int | float) for row in rows)
        justify = "right" if numeric else "left"
        table.add_column(Text(column), justify=justify, overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    # Without a terminal there is no width to fit: a cut column would be a lost number.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(table)


def number(value: float | None, digits: int = 4) -> str:
    """A number in few significant digits; an empty text where there is none."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:.{digits}g}"


def interval(low: float | None, high: float | None) -> str:
    """`[low, high]`, or an empty text where there is none.

    Three digits, and more where the interval is narrow: its ends must not be rounded past the mean that they hold.
    """
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    size, width = max(abs(low), abs(high)), high - low
    more = math.ceil(math.log10(size / width)) if 0 < width < size < math.inf else 0
    return f"[{number(low, min(3 + more, 10))}, {number(high, min(3 + more, 10))}]"


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return number(value) if isinstance(value, float) else str(value).translate(_SHOWN)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    # NumPy scalars, told by their method: importing NumPy here would slow every command down.
    unwrap = getattr(value, "item", None)
    return _plain(unwrap()) if unwrap else value
