"""Which clips of a run form the set that a set metric is about, and the key that stands for exactly these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stepbench.canonical import sha256_json

Rows = Mapping[str, Mapping[str, Any]]
"""sample_key (in scores also set_key) -> row."""


def set_members(planned: Iterable[str], made: Rows, scores: Rows) -> list[str]:
    """Sample keys of the clips in the set, in plan order, each once: all that were made, but those that failed.

    Args:
        planned: sample_key of every planned sample.
        made: Sample rows.
        scores: Rows of the set metric; one of a sample says that it could not be taken in.
    """
    return [
        key
        for key in dict.fromkeys(planned)
        if made.get(key, {}).get("outcome") == "ok" and not _is_left_out(made[key], scores.get(key))
    ]


def set_key(members: Iterable[str], made: Rows) -> str:
    """Key of a set: another clip in it, one more or one less, gives another key."""
    return sha256_json([[key, made[key]["clip_sha256"]] for key in members])


def _is_left_out(sample: Mapping[str, Any], score: Mapping[str, Any] | None) -> bool:
    return score is not None and score["status"] != "ok" and score["clip_sha256"] == sample["clip_sha256"]
