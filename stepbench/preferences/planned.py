"""Writes planned pairs into the study; what is planned already stays as it is."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from stepbench.preferences import schema
from stepbench.preferences.records import Pair


def insert_pairs(connection: Connection, pairs: list[Pair], target_votes: int) -> int:
    """Add the pairs whose ids are new, after those that are there.

    Args:
        target_votes: Of real pairs and repeats that do not say themselves.

    Returns:
        How many were new.
    """
    known = set(connection.execute(select(schema.pair.c.pair_id)).scalars())
    new = [pair for pair in pairs if pair.pair_id not in known]
    rows = [
        {name: getattr(pair, name) for name in schema.PAIR_COLUMNS}
        | {"order": number, "target_votes": _target(pair, target_votes)}
        for number, pair in enumerate(new, start=len(known))
    ]
    # A repeat points at its pair, which must be there first.
    for batch in ([row for row in rows if not row["repeat_of"]], [row for row in rows if row["repeat_of"]]):
        if batch:
            connection.execute(insert(schema.pair), batch)
    return len(new)


def _target(pair: Pair, wanted: int) -> int | None:
    return wanted if pair.target_votes is None and pair.kind in ("real", "repeat") else pair.target_votes
