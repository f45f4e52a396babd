"""The planned pairs beside a table of votes: what is right in gold pairs, and which pairs nobody has voted on yet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from stepbench.errors import UsageError


def pairs_file(votes_file: Path) -> Path:
    """Where the pairs of a table of votes are: `votes.csv` has `votes.pairs.jsonl`."""
    return votes_file.with_suffix(".pairs.jsonl")


def write_pairs(pairs: pd.DataFrame, votes_file: Path) -> None:
    """The pairs, one JSON object per line, absent values left out."""
    rows = [{k: _plain(v) for k, v in row.items() if not pd.isna(v)} for row in pairs.to_dict("records")]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    pairs_file(votes_file).write_text(lines, encoding="utf-8")


def read_pairs_beside(votes_file: Path) -> list[dict[str, Any]] | None:
    """The pairs as `Study.add_pairs` takes them; None where there is no such file.

    Raises:
        UsageError: A file that is not what `write_pairs` wrote.
    """
    file = pairs_file(votes_file)
    if not file.is_file():
        return None
    try:
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise UsageError(f"{file} cannot be read: {error}", hint="export again") from error
    if not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{file} holds lines that are no JSON objects", hint="export again")
    return [{name: value for name, value in row.items() if name != "votes"} for row in rows]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
