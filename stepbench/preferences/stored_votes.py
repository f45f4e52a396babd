"""Votes that were given elsewhere, stored in a study: rows like any others, each once, under their own ids."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import func, insert, select

from stepbench.preferences import schema
from stepbench.preferences.answers import Answers, Judgement
from stepbench.preferences.clock import seconds_of
from stepbench.preferences.errors import StudyError, VoteConflictError
from stepbench.preferences.formats.planned_pairs import is_swapped, made_by, pair_named, pairs_by_id
from stepbench.preferences.pair_table import read_pairs
from stepbench.preferences.planned import insert_pairs
from stepbench.preferences.ratings.counting import Table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from stepbench.preferences.study import Study


def store_votes(study: Study, votes: Table, new_pairs: Iterable[Mapping[str, Any]] = ()) -> int:
    """Store votes, and the pairs that the study lacks; all or nothing.

    Annotators keep their pseudonyms, and no name leads to them. Targets of pairs are not asked: the votes were given.

    Args:
        study: Where to.
        votes: As `Study.votes()`.
        new_pairs: As `Study.add_pairs` takes them.

    Returns:
        How many judgements are new; votes that the study has by id and content are left alone.

    Raises:
        UsageError: A pair that the study does not have, or other clips than its own.
        StudyError: A question that the study's protocol does not ask.
        VoteConflictError: A vote id that stands with another content, or a second vote of an annotator on a pair.
    """
    _check_questions(study, votes)
    planned = read_pairs(new_pairs)
    pairs = {pair.pair_id: asdict(pair) for pair in planned} | pairs_by_id(study.pairs())
    stored = _content(study.votes(include_superseded=True))
    now, new = time.time(), 0
    with study.database.writing() as connection:
        insert_pairs(connection, planned, study.protocol.target_votes)
        people = _annotators(connection, votes, now)
        taken = _taken(connection)
        numbers = _numbers(connection)
        for vote_id, rows in votes.groupby("vote_id", sort=False):
            if str(vote_id) in stored:
                # Some formats hold a part of what was asked, and some turn all pairs the same way round.
                if not {_told(row) for row in rows.to_dict("records")} <= stored[str(vote_id)]:
                    raise VoteConflictError(f"vote {vote_id!r} is stored with another content")
                continue
            judgements = [_judgement(row) for row in rows.to_dict("records")]
            first = rows.iloc[0].to_dict()
            pair = pair_named(pairs, first["pair_id"], f"vote {vote_id}")
            who = people[first["annotator"]]
            if (pair["pair_id"], who) in taken:
                raise VoteConflictError(
                    f"vote {vote_id!r}: annotator {first['annotator']} has pair {pair['pair_id']} already",
                    hint="an annotator judges a pair once",
                )
            taken.add((pair["pair_id"], who))
            numbers[who] = numbers.get(who, 0) + 1
            _insert(connection, first, judgements, pair, who, numbers[who], now)
            new += len(judgements)
        data = {"judgements": len(votes), "new": new}
        connection.execute(insert(schema.event_log).values(at=now, kind="votes imported", data=data))
    return new


def _insert(
    connection: Connection,
    vote: Mapping[str, Any],
    judgements: list[Judgement],
    pair: Mapping[str, Any],
    annotator: int,
    number: int,
    now: float,
) -> None:
    submitted = seconds_of(vote["submitted_at"]) if vote["submitted_at"] else now
    started = seconds_of(vote["started_at"]) if vote["started_at"] else submitted
    answers = Answers(tuple(judgements), tuple(vote["reasons"]))
    assignment_id = secrets.token_hex(16)
    assignment = {
        "assignment_id": assignment_id,
        "pair_id": pair["pair_id"],
        "annotator_id": annotator,
        "swapped": is_swapped(vote, pair),
        "propensity": 1.0 if pd.isna(vote["propensity"]) else vote["propensity"] / pair["propensity"],
        "number": number,
        "started_at": started,
        "leased_until": submitted,
        "state": "skipped" if answers.skipped else "voted",
    }
    row = {
        "vote_id": vote["vote_id"],
        "assignment_id": assignment_id,
        "sequence": 1,
        "action": "vote",
        "content_sha256": answers.sha256(assignment_id, None),
        "reasons": list(answers.reasons),
        "started_at": started,
        "submitted_at": submitted,
        **{name: None if pd.isna(vote[name]) else float(vote[name]) for name in ("watch_a_s", "watch_b_s")},
    }
    connection.execute(insert(schema.assignment).values(assignment))
    connection.execute(insert(schema.vote).values(row))
    connection.execute(
        insert(schema.judgement),
        [
            {
                "vote_id": vote["vote_id"],
                "dimension": one.dimension,
                "winner": one.winner,
                "rating": one.rating,
                "rated_clip": one.rated_clip,
            }
            for one in judgements
        ],
    )


def _judgement(row: Mapping[Any, Any]) -> Judgement:
    rating = None if pd.isna(row["rating"]) else int(row["rating"])
    return Judgement(row["dimension"], winner=row["winner"], rating=rating, rated_clip=row["rated_clip"])


def _told(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    """What a judgement says about which clip, on whichever side it stood."""
    one = _judgement(row)
    clips: dict[Any, Any] = {side: made_by(row, side) for side in "ab"}
    if clips["a"] == clips["b"]:
        # A clip beside itself damaged. The files come last, since preferences for training name the lossless ones.
        clips = {side: row[f"clip_{side}"] for side in "ab"}
    return one.dimension, clips.get(one.winner, one.winner), one.rating, clips.get(one.rated_clip, one.rated_clip)


def _content(votes: Table) -> dict[str, set[tuple[Any, ...]]]:
    found: dict[str, set[tuple[Any, ...]]] = {}
    for row in votes.to_dict("records"):
        found.setdefault(str(row["vote_id"]), set()).add(_told(row))
    return found


def _annotators(connection: Connection, votes: Table, now: float) -> dict[str, int]:
    """Pseudonym -> id, made where there was none."""
    table = schema.annotator.c
    known = {
        row.pseudonym: (row.annotator_id, row.simulated)
        for row in connection.execute(select(table.pseudonym, table.annotator_id, table.simulated))
    }
    for row in votes.drop_duplicates(["annotator", "simulated"])[["annotator", "simulated"]].to_dict("records"):
        name, simulated = str(row["annotator"]), bool(row["simulated"])
        if name in known:
            if known[name][1] != simulated:
                kind = "a program" if known[name][1] else "a person"
                raise StudyError(f"annotator {name} is {kind} in this study", hint="give the other another name")
            continue
        values = {"pseudonym": name, "simulated": simulated, "joined_at": now}
        made = connection.execute(insert(schema.annotator).values(values).returning(table.annotator_id))
        known[name] = (made.scalar_one(), simulated)
    return {name: number for name, (number, _) in known.items()}


def _taken(connection: Connection) -> set[tuple[str, int]]:
    table = schema.assignment.c
    return {(row.pair_id, row.annotator_id) for row in connection.execute(select(table.pair_id, table.annotator_id))}


def _numbers(connection: Connection) -> dict[int, int]:
    """Annotator -> the number of their last pair."""
    table = schema.assignment.c
    query = select(table.annotator_id, func.max(table.number).label("last")).group_by(table.annotator_id)
    return {row.annotator_id: row.last for row in connection.execute(query)}


def _check_questions(study: Study, votes: Table) -> None:
    asked = {question.id for question in study.protocol.pairwise}, {q.id for q in study.protocol.ratings}
    rated = votes["rating"].notna()
    unknown = {*votes.loc[~rated & (votes["winner"] != "skip"), "dimension"]} - asked[0]
    unknown |= {*votes.loc[rated, "dimension"]} - asked[1]
    if unknown:
        raise StudyError(
            f"protocol {study.protocol.name} does not ask for {', '.join(sorted(unknown))}",
            hint="import into a study whose protocol asks the same questions, or into FILE.parquet",
        )
