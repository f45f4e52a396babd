"""Pairs of clips as other tools are shown them: which clip is on the left for everyone, and which side a vote meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from stepbench.errors import UsageError
from stepbench.preferences.ratings.counting import Table

_OF_A_CLIP = ("model", "run", "seed", "sample_key", "clip", "clip_sha256", "frames", "fps")
_SHARED = ("pair_id", "kind", "prompt_id", "text", "language", "category", "pair_group")
_NAMES = {"1": "left", "2": "right"}


def pairs_of_votes(votes: Table) -> Table:
    """The pairs that votes are on, where no plan is at hand: number 1 is what stood on the left for the first vote."""
    first = votes.drop_duplicates("pair_id").sort_values("pair_id")
    renamed = {f"{name}_{side}": f"{name}_{number}" for name in _OF_A_CLIP for side, number in (("a", 1), ("b", 2))}
    return first.rename(columns=renamed)[[*_SHARED, *renamed.values()]].reset_index(drop=True)


def clips_of_sides(pair: Mapping[str, Any], *, swapped: bool) -> dict[str, Any]:
    """The columns `..._a` and `..._b` of a vote on a pair; `swapped`: clip 2 stood on the left."""
    numbers = {"a": 2 if swapped else 1, "b": 1 if swapped else 2}
    return {f"{name}_{side}": pair.get(f"{name}_{n}") for name in _OF_A_CLIP for side, n in numbers.items()}


def is_swapped(vote: Mapping[str, Any], pair: Mapping[str, Any]) -> bool:
    """Whether clip 2 of the pair stood on the left for this vote.

    Raises:
        UsageError: The vote is on other clips than the pair's.
    """
    seen = [[*made_by(vote, side), _text(vote[f"clip_{side}"])] for side in "ab"]
    planned = [[*made_by(pair, number), _text(pair[f"clip_{number}"])] for number in "12"]
    if seen not in (planned, planned[::-1]):
        raise UsageError(
            f"vote {vote['vote_id']} is on other clips than pair {pair['pair_id']}",
            hint="votes and pairs must be of one study",
        )
    return seen != planned


def made_by(row: Mapping[str, Any], side: str) -> tuple[str, ...]:
    """Model, run and seed of one clip of a vote ("a", "b") or of a pair ("1", "2"), as texts."""
    return tuple(_text(row[f"{name}_{side}"]) for name in ("model", "run", "seed"))


def verdict_outside(winner: str, *, swapped: bool) -> str:
    """A verdict in terms of the pair: `left` and `right` instead of the sides that the annotator saw."""
    if winner not in ("a", "b"):
        return winner
    return _NAMES["1" if (winner == "a") != swapped else "2"]


def verdict_inside(verdict: str, *, swapped: bool = False) -> str:
    """The inverse of `verdict_outside`.

    Raises:
        UsageError: A verdict that a pairwise vote cannot have.
    """
    if verdict in ("left", "right"):
        return "a" if (verdict == "left") != swapped else "b"
    if verdict not in ("tie", "both_bad", "skip"):
        raise UsageError(f"unknown verdict {verdict!r}", hint="one of left, right, tie, both_bad, skip")
    return verdict


def prompt_columns(pair: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a vote that come from its pair and are of no clip."""
    return {name: pair.get(name) for name in _SHARED}


def pairs_by_id(pairs: Table) -> dict[str, dict[str, Any]]:
    """pair_id -> its row."""
    return {str(row["pair_id"]): {str(k): v for k, v in row.items()} for row in pairs.to_dict("records")}


def pair_named(pairs: Mapping[str, dict[str, Any]], pair_id: Any, where: str) -> dict[str, Any]:
    """A pair of the study by its id.

    Raises:
        UsageError: The study has no such pair.
    """
    if str(pair_id) not in pairs:
        raise UsageError(
            f"{where}: the study has no pair {pair_id!r}", hint="import into the study that the file was exported from"
        )
    return pairs[str(pair_id)]


def _text(value: Any) -> str:
    if value is None or pd.isna(value):
        return ""
    # Whole numbers come back from some tables as 3.0.
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
