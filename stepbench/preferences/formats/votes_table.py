"""The table of votes as Parquet or CSV: every column, every row, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

from stepbench.errors import UsageError

_BOTH_SIDES = {
    "model": pa.string(),
    "run": pa.string(),
    "seed": pa.int64(),
    "sample_key": pa.string(),
    "clip": pa.string(),
    "clip_sha256": pa.string(),
}
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("vote_id", "pair_id", "kind", "dimension", "winner")),
        ("rating", pa.float64()),
        *((name, pa.string()) for name in ("rated_clip", "prompt_id", "text", "language", "category", "pair_group")),
        *((f"{name}_{side}", kind) for name, kind in _BOTH_SIDES.items() for side in "ab"),
        *((f"{name}_{side}", kind) for side in "ab" for name, kind in (("frames", pa.int64()), ("fps", pa.float64()))),
        ("reasons", pa.list_(pa.string())),
        ("annotator", pa.string()),
        ("simulated", pa.bool_()),
        ("propensity", pa.float64()),
        *((name, pa.string()) for name in ("started_at", "submitted_at")),
        *((name, pa.float64()) for name in ("watch_a_s", "watch_b_s")),
        *((name, pa.string()) for name in ("excluded", "supersedes")),
    ]
)
"""The columns of `Study.votes()`, in order."""

NEEDED = ("vote_id", "pair_id", "kind", "dimension", "prompt_id", "model_a", "model_b", "annotator", "simulated")
"""Columns that hold a value in every row."""
_KNOWN = frozenset(SCHEMA.names)


def votes_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as the table of votes: absent values are None in columns of text, NA or NaN in columns of numbers.

    Raises:
        UsageError: An unknown column, a value of another kind, or none where there must be one; names the row.
    """
    return _frame(_arrow(rows))


def votes_arrow(votes: pd.DataFrame) -> pa.Table:
    """The table of votes for files.

    Raises:
        UsageError: As `votes_frame`.
    """
    return _arrow({str(name): value for name, value in row.items()} for row in votes.to_dict("records"))


def _arrow(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    listed = []
    for number, row in enumerate(rows, 1):
        unknown = sorted(row.keys() - _KNOWN)
        if unknown:
            raise UsageError(f"row {number}: unknown column {unknown[0]!r}", hint=f"known: {', '.join(SCHEMA.names)}")
        values = {name: _none_for_nan(value) for name, value in row.items()}
        values["reasons"] = values.get("reasons") or []
        lacking = [name for name in NEEDED if values.get(name) is None]
        if lacking:
            raise UsageError(f"row {number} has no {lacking[0]}", hint=f"every vote needs {', '.join(NEEDED)}")
        listed.append(values)
    try:
        return pa.Table.from_pylist(listed, schema=SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UsageError(f"a value of another kind than its column: {error}") from error


def write_parquet(votes: pd.DataFrame, path: Path) -> int:
    """All rows of the table, as Parquet. Returns their number."""
    parquet.write_table(votes_arrow(votes), path)
    return len(votes)


def read_parquet(path: Path) -> pd.DataFrame:
    """What `write_parquet` wrote.

    Raises:
        UsageError: No such Parquet file, or one with other columns.
    """
    try:
        table = parquet.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(f"{path}: not a Parquet file: {error}") from error
    _refuse_columns(path, table.column_names)
    return votes_frame(table.to_pylist())


def write_csv(votes: pd.DataFrame, path: Path) -> int:
    """All rows, as CSV in UTF-8: texts quoted, absent values empty, reasons as a JSON list. Returns their number."""
    table = votes_arrow(votes)
    place = SCHEMA.get_field_index("reasons")
    reasons = pa.array([json.dumps(row, ensure_ascii=False) for row in table.column(place).to_pylist()])
    csv.write_csv(table.set_column(place, "reasons", reasons), path)
    return len(votes)


def read_csv(path: Path) -> pd.DataFrame:
    """What `write_csv` wrote. An empty cell in quotes is an empty text; without quotes it is no value.

    Raises:
        UsageError: No such CSV, other columns, or a value of another kind.
    """
    kinds = {field.name: pa.string() if field.name == "reasons" else field.type for field in SCHEMA}
    convert = csv.ConvertOptions(
        column_types=kinds, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    try:
        table = csv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=convert)
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a CSV of votes: {error}") from error
    _refuse_columns(path, table.column_names)
    rows = table.to_pylist()
    for number, row in enumerate(rows, 1):
        try:
            row["reasons"] = json.loads(row["reasons"] or "[]")
        except ValueError as error:
            raise UsageError(f"{path}, row {number}: reasons must be a JSON list, got {row['reasons']!r}") from error
    return votes_frame(rows)


def _frame(table: pa.Table) -> pd.DataFrame:
    columns = {}
    for field in SCHEMA:
        values = table.column(field.name).to_pylist()
        if field.type == pa.float64():
            columns[field.name] = pd.Series([float("nan") if v is None else v for v in values], dtype="float64")
        elif field.type == pa.int64():
            columns[field.name] = pd.Series(values, dtype="Int64")
        elif field.type == pa.bool_():
            columns[field.name] = pd.Series(values, dtype="bool")
        else:
            columns[field.name] = pd.Series(values, dtype="object")
    return pd.DataFrame(columns)


def _refuse_columns(path: Path, found: Iterable[str]) -> None:
    missing = [name for name in NEEDED if name not in set(found)]
    unknown = [name for name in found if name not in SCHEMA.names]
    if missing or unknown:
        raise UsageError(
            f"{path} is no table of votes: missing {', '.join(missing) or 'nothing'}; "
            f"unknown {', '.join(unknown) or 'nothing'}",
            hint="`stepbench prefs import FILE --from arena` takes tables of other tools",
        )


def _none_for_nan(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    missing = value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)
    return None if missing else value
