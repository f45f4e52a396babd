"""Planned pairs on their way into the study: clips under neutral names, targets, no pair twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from stepbench.canonical import sha256_file
from stepbench.preferences import schema
from stepbench.preferences.clips import CLIPS, ClipFolder
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


def blinded(pairs: list[Pair], folder: Path | None) -> list[Pair]:
    """The pairs with clips that are files here replaced by copies under neutral names in the study's folder.

    A clip that is no file here (an address, a key of an object store) stays as it is, as does one in the folder.

    Raises:
        VideoError: A file that is no video.
    """
    if folder is None:
        return pairs
    clips = ClipFolder(folder)
    return [_blinded(pair, clips) for pair in pairs]


def _blinded(pair: Pair, clips: ClipFolder) -> Pair:
    facts: dict[str, Any] = {}
    for number in ("1", "2"):
        clip = getattr(pair, f"clip_{number}")
        source = Path(clip) if clip is not None and "://" not in clip else None
        if source is None or (clips.folder / source).parent == clips.folder / CLIPS or not source.is_file():
            continue
        shown = clips.publish(source)
        facts |= {f"clip_{number}": shown.name, f"frames_{number}": shown.frames, f"fps_{number}": shown.fps}
        facts[f"clip_sha256_{number}"] = getattr(pair, f"clip_sha256_{number}") or sha256_file(source)
    return replace(pair, **facts)


def _target(pair: Pair, wanted: int) -> int | None:
    return wanted if pair.target_votes is None and pair.kind in ("real", "repeat") else pair.target_votes
