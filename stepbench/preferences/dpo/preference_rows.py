"""Preferences as files: JSONL that `stepbench train dpo` reads, and the same rows as Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from stepbench.errors import UsageError
from stepbench.preferences.dpo.rules import PreferredPair
from stepbench.preferences.formats.votes_table import votes_frame

_VOTE = pa.struct(
    [("vote_id", pa.string()), ("annotator", pa.string()), ("simulated", pa.bool_()), ("outcome", pa.string())]
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("prompt", "chosen", "rejected")),
        *((name, pa.float64()) for name in ("share", "margin")),
        *((name, pa.string()) for name in ("split", "pair_id", "prompt_id", "language", "category", "pair_group")),
        *((f"{side}_{name}", pa.string()) for side in ("chosen", "rejected") for name in ("model", "run", "sha256")),
        *((f"{side}_seed", pa.int64()) for side in ("chosen", "rejected")),
        ("dimension", pa.string()),
        ("simulated_votes", pa.int64()),
        ("votes", pa.list_(_VOTE)),
    ]
)
"""`prompt`, `chosen`, `rejected` and `share` are what training reads; the rest says where a row comes from."""


def preference_row(
    pair: PreferredPair, *, chosen: str, rejected: str, sha256: tuple[str, str], split: str, dimension: str
) -> dict[str, Any]:
    """One row.

    Args:
        pair: The preference.
        chosen: Its winner's file, relative to the folder of the row's file.
        rejected: Its loser's, likewise.
        sha256: Of these two files.
        split: `train`, `val` or `test`.
        dimension: Of the votes.
    """
    clips = {"chosen": pair.chosen, "rejected": pair.rejected}
    return {
        "prompt": pair.prompt,
        "chosen": chosen,
        "rejected": rejected,
        "share": pair.share,
        "margin": pair.margin,
        "split": split,
        "pair_id": pair.pair_id,
        "prompt_id": pair.prompt_id,
        "language": pair.language,
        "category": pair.category,
        "pair_group": pair.pair_group,
        **{f"{side}_{name}": clips[side][name] for side in clips for name in ("model", "run", "seed")},
        "chosen_sha256": sha256[0],
        "rejected_sha256": sha256[1],
        "dimension": dimension,
        "simulated_votes": pair.simulated,
        "votes": list(pair.votes),
    }


def write_rows(rows: Sequence[dict[str, Any]], jsonl: Path) -> list[Path]:
    """The rows as JSONL, and beside it as Parquet."""
    jsonl.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    table = jsonl.with_suffix(".parquet")
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), table)
    return [jsonl, table]


def read_preference_votes(paths: Iterable[Path]) -> pd.DataFrame:
    """The votes behind exported preferences: every vote on the pairs that were kept, `a` being the chosen clip.

    Args:
        paths: JSONL or Parquet files, or folders of an export, of which all splits are read.

    Raises:
        UsageError: A file that is no such export.
    """
    votes: list[dict[str, Any]] = []
    places = list(paths)
    for path in [file for given in places for file in _files(given)]:
        for number, row in enumerate(_read(path), 1):
            lacking = [name for name in ("prompt", "chosen", "rejected", "pair_id", "votes") if name not in row]
            if lacking:
                raise UsageError(
                    f"{path}, row {number} has no {lacking[0]}",
                    hint="only files of `stepbench prefs export --to dpo` or `trl` hold the votes behind their pairs",
                )
            votes.extend(_votes(row))
    if not votes:
        raise UsageError(f"no preferences in {', '.join(map(str, places))}", hint="export them again")
    return votes_frame(votes)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.jsonl")) or sorted(path.glob("**/*.parquet"))
    if not found:
        raise UsageError(f"{path} holds no JSONL and no Parquet files")
    return found


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        if path.suffix == ".parquet":
            return parquet.read_table(path).to_pylist()
        return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def _votes(row: dict[str, Any]) -> list[dict[str, Any]]:
    names = {"chosen": "a", "rejected": "b"}
    sides: dict[str, Any] = {}
    for name, side in names.items():
        sides[f"clip_{side}"] = row[name]
        sides[f"clip_sha256_{side}"] = row.get(f"{name}_sha256")
        sides |= {f"{column}_{side}": row.get(f"{name}_{column}") for column in ("model", "run", "seed")}
    shared = {name: row.get(name) for name in ("pair_id", "prompt_id", "language", "category", "pair_group")}
    return [
        {
            **shared,
            **sides,
            "kind": "real",
            "text": row["prompt"],
            "dimension": row.get("dimension") or "overall",
            "vote_id": vote["vote_id"],
            "annotator": vote["annotator"],
            "simulated": vote["simulated"],
            "winner": names.get(vote["outcome"], vote["outcome"]),
        }
        for vote in row["votes"]
    ]
