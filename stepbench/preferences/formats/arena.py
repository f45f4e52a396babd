"""Battles in the columns of the Chatbot Arena notebooks, with ours beside them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

from stepbench.canonical import sha256_json
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences.formats.votes_table import SCHEMA, votes_frame
from stepbench.preferences.ratings.counting import count_votes

WINNERS = {"a": "model_a", "b": "model_b", "tie": "tie", "both_bad": "tie (bothbad)"}
THEIRS = ("model_a", "model_b", "winner", "judge", "question_id", "turn", "anony", "language", "tstamp")
"""What their notebooks read: `judge` is our annotator, `question_id` our prompt_id, `tstamp` is in seconds."""

SUFFIXES = (".csv", ".parquet", ".jsonl")


def write_arena(votes: pd.DataFrame, path: Path) -> int:
    """The pairwise votes that count, one battle each; `path` ends in .csv, .parquet or .jsonl. Returns their number.

    Gold, repeated and calibration pairs, skips, ratings and votes of excluded annotators are no battles.

    Raises:
        UsageError: Another suffix.
        NothingSelectedError: No vote counts.
    """
    _check_suffix(path)
    rows = [_battle(row) for row in count_votes(votes).pairwise.to_dict("records")]
    if not rows:
        raise NothingSelectedError("no pairwise vote counts, so there is no battle", hint="stepbench prefs rate STUDY")
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return len(rows)
    ours = [field for field in SCHEMA if field.name not in THEIRS]
    theirs = [pa.field(name, _KINDS.get(name, pa.string())) for name in THEIRS]
    table = pa.Table.from_pylist(rows, schema=pa.schema([*theirs, *ours]))
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        place = table.schema.get_field_index("reasons")
        reasons = pa.array([json.dumps(row["reasons"], ensure_ascii=False) for row in rows])
        csv.write_csv(table.set_column(place, "reasons", reasons), path)
    return len(rows)


def read_arena(path: Path) -> pd.DataFrame:
    """Battles as votes. Of another arena's file, what it lacks of our columns is filled in as a plain real pair.

    Raises:
        UsageError: A file without model_a, model_b and winner, or a winner that is none of `WINNERS`.
    """
    _check_suffix(path)
    rows = _read(path)
    verdicts = {name: verdict for verdict, name in WINNERS.items()} | {"both_bad": "both_bad"}
    votes = []
    for number, row in enumerate(rows, 1):
        missing = [name for name in ("model_a", "model_b", "winner") if row.get(name) is None]
        if missing:
            raise UsageError(f"{path}, row {number} has no {missing[0]}", hint="a battle has model_a, model_b, winner")
        if row["winner"] not in verdicts:
            raise UsageError(
                f"{path}, row {number}: unknown winner {row['winner']!r}", hint=f"one of {', '.join(WINNERS.values())}"
            )
        votes.append(_vote(row, number) | {"winner": verdicts[row["winner"]]})
    return votes_frame(votes)


_KINDS: dict[str, Any] = {"turn": pa.int64(), "anony": pa.bool_(), "tstamp": pa.float64()}


def _battle(row: dict[Any, Any]) -> dict[str, Any]:
    ours = {name: _none_for_nan(row.get(name)) for name in SCHEMA.names}
    moment = ours["submitted_at"]
    theirs = {
        "winner": WINNERS[row["winner"]],
        "judge": row["annotator"],
        "question_id": row["prompt_id"],
        "turn": 1,
        "anony": True,
        "tstamp": datetime.fromisoformat(moment).timestamp() if moment else None,
    }
    ordered = {name: theirs.get(name, ours.get(name)) for name in THEIRS}
    return ordered | {name: value for name, value in ours.items() if name not in ordered}


def _vote(row: dict[str, Any], number: int) -> dict[str, Any]:
    prompt = row.get("prompt_id") or row.get("question_id") or f"prompt-{number}"
    stamp = row.get("tstamp")
    moment = datetime.fromtimestamp(float(stamp), UTC).isoformat() if stamp is not None else None
    defaults = {
        "vote_id": f"row-{number}",
        "pair_id": sha256_json([str(prompt), *sorted([str(row["model_a"]), str(row["model_b"])])])[:16],
        "kind": "real",
        "dimension": "overall",
        "prompt_id": str(prompt),
        "text": row.get("prompt") or "",
        "annotator": str(row.get("judge") or "unknown"),
        "simulated": False,
        "submitted_at": moment,
    }
    ours = {name: row[name] for name in SCHEMA.names if row.get(name) is not None}
    if isinstance(ours.get("reasons"), str):
        ours["reasons"] = json.loads(ours["reasons"])
    return defaults | ours


def _read(path: Path) -> list[dict[str, Any]]:
    ours = {field.name: pa.string() if field.name == "reasons" else field.type for field in SCHEMA}
    try:
        if path.suffix == ".parquet":
            return parquet.read_table(path).to_pylist()
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        convert = csv.ConvertOptions(
            column_types=ours | _KINDS, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        )
        parse = csv.ParseOptions(newlines_in_values=True)
        return csv.read_csv(path, parse_options=parse, convert_options=convert).to_pylist()
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def _check_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise UsageError(f"battles are written to {', '.join(SUFFIXES)}, not {path.suffix or 'a file without one'!r}")


def _none_for_nan(value: Any) -> Any:
    return None if value is pd.NA or (isinstance(value, float) and value != value) else value
