"""Tables to download: CSV in which no spreadsheet runs a stranger's text as a formula, and JSON with every digit."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a cell that spreadsheets read as a formula, or strip until they see one."""


def guarded(value: Any) -> Any:
    """A cell: texts that a spreadsheet would run get an apostrophe in front; numbers and all else stay as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def csv_for_spreadsheets(frame: pd.DataFrame) -> str:
    """A table as CSV without its index; heads and texts are `guarded`, numbers keep their sign."""
    texts = frame.select_dtypes(exclude=["number", "bool", "datetime"]).columns
    safe = frame.assign(**{str(name): frame[name].map(guarded, na_action="ignore") for name in texts})
    # With this ending the writer quotes cells that hold either of its characters: a cell cannot begin a row of its own.
    return safe.rename(columns=guarded).to_csv(index=False, lineterminator="\r\n") or ""


def json_records(frame: pd.DataFrame) -> str:
    """Rows as a JSON list with every digit of their numbers; a missing number is null."""
    whole = frame.astype(object)
    records = whole.where(whole.notna(), None).to_dict(orient="records")
    return json.dumps(records, ensure_ascii=False, allow_nan=False)
