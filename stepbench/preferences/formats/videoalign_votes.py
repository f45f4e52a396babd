"""Whose judgement each row of a VideoAlign CSV is, in a file beside it: the format itself has no columns for that."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stepbench.errors import UsageError

LABELS = {"a": "A", "b": "B", "tie": "same", "both_bad": "same"}


def votes_file(file: Path) -> Path:
    """Where it is: `pairs.csv` has `pairs.votes.jsonl`."""
    return file.with_suffix(".votes.jsonl")


def votes_of_row(judgements: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One row of the file beside: who judged, whether it was a program, and the votes behind VQ, MQ and TA.

    Args:
        judgements: Column -> the row of `Study.votes()` that it holds.
    """
    first = next(iter(judgements.values()))
    votes = {
        column: {"vote_id": row["vote_id"], "dimension": row["dimension"], "winner": row["winner"]}
        for column, row in judgements.items()
    }
    return {"annotator": first["annotator"], "simulated": bool(first["simulated"]), "votes": votes}


def write_votes_beside(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Write them, one JSON object per row of the CSV, in its order."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    votes_file(file).write_text(lines, encoding="utf-8")


def read_votes_beside(rows: Sequence[Mapping[str, str]], file: Path) -> list[list[dict[str, Any]]] | None:
    """Of each row of the CSV its votes: vote_id, dimension, winner, annotator, simulated; None without such a file.

    Raises:
        UsageError: It does not fit the CSV, which was changed or belongs to another export.
    """
    beside = votes_file(file)
    if not beside.is_file():
        return None
    hint = f"export again; remove {beside.name} where others have labelled the pairs anew"
    try:
        told = [json.loads(line) for line in beside.read_text("utf-8").splitlines()]
        found = [
            {
                (vote["vote_id"], vote["dimension"]): vote | {name: row[name] for name in ("annotator", "simulated")}
                for vote in row["votes"].values()
            }
            for row in told
        ]
        labels = [{column: LABELS[vote["winner"]] for column, vote in row["votes"].items()} for row in told]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{beside} cannot be read: {error!r}", hint=hint) from error
    if len(told) != len(rows):
        raise UsageError(f"{file} has {len(rows)} rows, and {beside} is about {len(told)}", hint=hint)
    for number, (row, own) in enumerate(zip(rows, labels, strict=True), 1):
        for column, label in own.items():
            if row.get(column) != label:
                raise UsageError(
                    f"{file}, row {number}: {column} is {row.get(column)!r}, and was {label!r} by {beside}", hint=hint
                )
    return [list(votes.values()) for votes in found]
