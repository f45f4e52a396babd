"""The votes and the pairs of a study as data frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, case, func, select

from stepbench.preferences import schema
from stepbench.preferences.clock import iso

if TYPE_CHECKING:
    import pandas as pd

BY_SIDE = ("model", "run", "seed", "sample_key", "clip", "clip_sha256", "frames", "fps")
VOTE_COLUMNS = (
    *("vote_id", "pair_id", "kind", "dimension", "winner", "rating", "rated_clip"),
    *("prompt_id", "text", "language", "category", "pair_group"),
    *("model_a", "model_b", "run_a", "run_b", "seed_a", "seed_b", "sample_key_a", "sample_key_b"),
    *("clip_a", "clip_b", "clip_sha256_a", "clip_sha256_b", "frames_a", "fps_a", "frames_b", "fps_b"),
    *("reasons", "annotator", "simulated", "propensity", "started_at", "submitted_at", "watch_a_s", "watch_b_s"),
    *("excluded", "supersedes"),
)
PAIR_COLUMNS = (
    *("pair_id", "kind", "prompt_id", "text", "language", "category", "pair_group"),
    *("model_1", "model_2", "run_1", "run_2", "seed_1", "seed_2", "sample_key_1", "sample_key_2"),
    *("clip_1", "clip_2", "clip_sha256_1", "clip_sha256_2", "target_votes", "votes", "expected"),
    *("frames_1", "frames_2", "fps_1", "fps_2", "repeat_of", "note", "propensity"),
)
_NUMBERS = ("rating", "propensity", "watch_a_s", "watch_b_s", "fps_a", "fps_b")
_WHOLE = ("seed_a", "seed_b", "frames_a", "frames_b")


def vote_table(connection: Connection, *, include_superseded: bool = False) -> pd.DataFrame:
    """One row per judgement, in the order of submission: `VOTE_COLUMNS` without `excluded`, and `swapped`.

    A submission that answers several questions has one row for each, all with its vote_id.
    """
    import pandas as pd

    vote, assignment, pair = schema.vote.c, schema.assignment.c, schema.pair.c
    later = schema.vote.alias("later")
    query = (
        select(
            *(vote.vote_id, pair.pair_id, pair.kind, schema.judgement.c.dimension),
            *(schema.judgement.c.winner, schema.judgement.c.rating, schema.judgement.c.rated_clip),
            *(pair.prompt_id, pair.text, pair.language, pair.category, pair.pair_group),
            *(column for name in BY_SIDE for column in _sides(name)),
            *(vote.reasons, schema.annotator.c.pseudonym.label("annotator"), schema.annotator.c.simulated),
            (assignment.propensity * pair.propensity).label("propensity"),
            *(vote.started_at, vote.submitted_at, vote.watch_a_s, vote.watch_b_s, vote.supersedes),
            assignment.swapped,
        )
        .join_from(schema.vote, schema.judgement)
        .join(schema.assignment, assignment.assignment_id == vote.assignment_id)
        .join(schema.pair)
        .join(schema.annotator)
        .where(vote.action == "vote")
        .order_by(vote.submitted_at, vote.vote_id, schema.judgement.c.judgement_id)
    )
    if not include_superseded:
        query = query.outerjoin(later, later.c.supersedes == vote.vote_id).where(later.c.vote_id.is_(None))
    result = connection.execute(query)
    frame = pd.DataFrame(result.all(), columns=list(result.keys()))
    for name in _NUMBERS:
        frame[name] = frame[name].astype("float64")
    for name in _WHOLE:
        frame[name] = frame[name].astype("Int64")
    for name in ("simulated", "swapped"):
        frame[name] = frame[name].astype(bool)
    for name in ("started_at", "submitted_at"):
        frame[name] = pd.Series([iso(value) for value in frame[name]], index=frame.index, dtype=object)
    return _plain(frame)


def pair_table(connection: Connection) -> pd.DataFrame:
    """`PAIR_COLUMNS`, one row per planned pair in the plan's order; `votes` counts those that stand, skips aside."""
    import pandas as pd

    voted = (
        select(schema.assignment.c.pair_id, func.count().label("votes"))
        .where(schema.assignment.c.state == "voted")
        .group_by(schema.assignment.c.pair_id)
        .subquery()
    )
    pair = schema.pair.c
    columns = [func.coalesce(voted.c.votes, 0).label(name) if name == "votes" else pair[name] for name in PAIR_COLUMNS]
    query = (
        select(*columns)
        .join_from(schema.pair, voted, voted.c.pair_id == pair.pair_id, isouter=True)
        .order_by(pair.order, pair.pair_id)
    )
    frame = pd.DataFrame(connection.execute(query).all(), columns=list(PAIR_COLUMNS))
    for name in ("seed_1", "seed_2", "frames_1", "frames_2", "target_votes"):
        frame[name] = frame[name].astype("Int64")
    for name in ("fps_1", "fps_2", "propensity"):
        frame[name] = frame[name].astype("float64")
    frame["votes"] = frame["votes"].astype("int64")
    return _plain(frame)


def live_leases(connection: Connection, now: float) -> pd.Series:
    """Number of live leases per pair that has one; index: pair_id."""
    import pandas as pd

    assignment = schema.assignment.c
    query = (
        select(assignment.pair_id, func.count())
        .where(assignment.state == "open", assignment.leased_until > now)
        .group_by(assignment.pair_id)
    )
    counts = {pair_id: count for pair_id, count in connection.execute(query)}
    return pd.Series(counts, dtype="int64", name="leases").rename_axis("pair_id")


def event_table(connection: Connection) -> pd.DataFrame:
    """The log of events, oldest first: at (ISO 8601), kind, data."""
    import pandas as pd

    log = schema.event_log.c
    rows = connection.execute(select(log.at, log.kind, log.data).order_by(log.event_id))
    return pd.DataFrame([(iso(at), kind, data) for at, kind, data in rows], columns=["at", "kind", "data"])


def _sides(name: str) -> tuple[Any, Any]:
    """A pair's columns of clip 1 and 2 as those of the clips that stood left (a) and right (b)."""
    one, two, swapped = schema.pair.c[f"{name}_1"], schema.pair.c[f"{name}_2"], schema.assignment.c.swapped
    left = case((swapped, two), else_=one).label(f"{name}_a")
    return left, case((swapped, one), else_=two).label(f"{name}_b")


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts as Python objects with None where there is none, whatever the rows hold."""
    for name in frame.columns:
        if not (frame[name].dtype.kind in "ifb" or str(frame[name].dtype) == "Int64"):
            column = frame[name].astype(object)
            frame[name] = column.where(column.notna(), None)
    return frame
