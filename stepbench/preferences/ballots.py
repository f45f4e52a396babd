"""Votes on leased pairs: stored once, never beyond a pair's target, corrected and undone by further rows."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from stepbench.preferences import schema
from stepbench.preferences.answers import Answers
from stepbench.preferences.clock import iso
from stepbench.preferences.errors import LeaseLostError, VoteConflictError, VoteRefusedError
from stepbench.preferences.leases import occupied
from stepbench.preferences.people import Annotator
from stepbench.preferences.protocol import Protocol
from stepbench.preferences.records import Receipt

_VOTE, _ASSIGNMENT = schema.vote.c, schema.assignment.c
_KNOWN = select(schema.vote).where(_VOTE.vote_id == bindparam("id"))
_LAST = select(schema.vote).where(_VOTE.assignment_id == bindparam("id")).order_by(_VOTE.sequence.desc()).limit(1)
_LEASED = (
    select(schema.assignment, schema.pair.c.kind, schema.pair.c.expected, schema.pair.c.target_votes)
    .join(schema.pair)
    .where(_ASSIGNMENT.assignment_id == bindparam("id"))
)


@dataclass(frozen=True)
class Ballot:
    """A vote as it comes in. Times are seconds since 1970, None where the engine is to say them."""

    vote_id: str
    assignment_id: str
    answers: Answers
    supersedes: str | None = None
    started_at: float | None = None
    submitted_at: float | None = None
    watch_a_s: float | None = None
    watch_b_s: float | None = None

    @property
    def sha256(self) -> str:
        """Hash of what was answered."""
        return self.answers.sha256(self.assignment_id, self.supersedes)


def cast(
    connection: Connection, protocol: Protocol, ballot: Ballot, now: float, annotator: Annotator | None
) -> Receipt:
    """Store a vote.

    Args:
        annotator: Who sends it; None where the assignment's id, which cannot be guessed, is proof enough.

    Raises:
        VoteConflictError: The vote id stands with another content, or the pair has this annotator's vote already.
        LeaseLostError: The lease has run out and the pair has no room left.
        VoteRefusedError: No such assignment, another annotator's, a correction after the time for it, impossible times.
    """
    known = connection.execute(_KNOWN, {"id": ballot.vote_id}).one_or_none()
    if known is not None and known.content_sha256 != ballot.sha256:
        raise VoteConflictError(
            f"vote {ballot.vote_id!r} is stored with another content", hint="give every new vote an id of its own"
        )
    row = _assignment(connection, ballot.assignment_id, annotator)
    if known is not None:
        return _receipt(row, ballot.vote_id, known.submitted_at, stored=False)
    submitted = now if ballot.submitted_at is None else ballot.submitted_at
    # A clock that was set back in between, or another server's, must not cost a vote.
    started = min(row.started_at, submitted) if ballot.started_at is None else ballot.started_at
    _check_times(ballot, started, submitted)
    last = _last(connection, ballot.assignment_id)
    _check_standing(row, last, ballot, protocol, now)
    state = "skipped" if ballot.answers.skipped else "voted"
    if state == "voted" and row.state != "voted":
        # Whose clock differs may have given away a place that is held by this clock: votes of others always count.
        held = row.state == "open" and row.leased_until > now
        _check_room(connection, row, math.inf if held else now)
    _append(connection, ballot, last, started, submitted)
    own = _ASSIGNMENT.assignment_id == ballot.assignment_id
    connection.execute(update(schema.assignment).where(own).values(state=state))
    return _receipt(row, ballot.vote_id, submitted, stored=True)


def undo_last(connection: Connection, protocol: Protocol, annotator: Annotator, undo_id: str, now: float) -> str:
    """Take back an annotator's last vote, whose pair is then theirs again for a new lease.

    Who has been given the next pair already gives it back: nobody holds the places of two.

    Returns:
        The assignment that is open again.

    Raises:
        VoteRefusedError: There is no vote, or the time for taking it back is over.
    """
    # Clocks step, so the time alone does not tell which row of an assignment stands.
    superseded = select(_VOTE.supersedes).where(_VOTE.supersedes.is_not(None))
    query = (
        select(schema.vote, _ASSIGNMENT.pair_id, _ASSIGNMENT.state, schema.pair.c.target_votes)
        .join(schema.assignment, _ASSIGNMENT.assignment_id == _VOTE.assignment_id)
        .join(schema.pair)
        .where(_ASSIGNMENT.annotator_id == annotator.id, _ASSIGNMENT.state != "open")
        .where(_VOTE.vote_id.not_in(superseded))
        .order_by(_VOTE.submitted_at.desc(), _ASSIGNMENT.number.desc())
    )
    last = connection.execute(query).first()
    if last is None:
        raise VoteRefusedError("there is no vote to take back", hint="vote first")
    _check_window(last.submitted_at, protocol, now)
    connection.execute(
        insert(schema.vote).values(
            vote_id=undo_id,
            assignment_id=last.assignment_id,
            sequence=last.sequence + 1,
            action="undo",
            supersedes=last.vote_id,
            content_sha256="",
            reasons=[],
            started_at=now,
            submitted_at=now,
        )
    )
    taken, _ = occupied(connection, last.pair_id, now, but=last.assignment_id)
    # A skipped pair held no place, which others may have taken since.
    room = last.state == "voted" or last.target_votes is None or taken < last.target_votes
    leased_until = now + protocol.lease_minutes * 60 if room else now
    own = _ASSIGNMENT.assignment_id == last.assignment_id
    others = (_ASSIGNMENT.annotator_id == annotator.id) & (_ASSIGNMENT.state == "open") & ~own
    connection.execute(
        update(schema.assignment).where(others, _ASSIGNMENT.leased_until > now).values({"leased_until": now})
    )
    values = {"state": "open", "started_at": now, "leased_until": leased_until}
    connection.execute(update(schema.assignment).where(own).values(values))
    return last.assignment_id


def _assignment(connection: Connection, assignment_id: str, annotator: Annotator | None) -> Row[Any]:
    row = connection.execute(_LEASED, {"id": assignment_id}).one_or_none()
    if row is None or (annotator is not None and row.annotator_id != annotator.id):
        raise VoteRefusedError(
            f"no assignment {assignment_id!r}" + (" of this annotator" if annotator else ""),
            hint="ask `next_pair` for a pair first",
        )
    return row


def _last(connection: Connection, assignment_id: str) -> Row[Any] | None:
    return connection.execute(_LAST, {"id": assignment_id}).one_or_none()


def _check_times(ballot: Ballot, started: float, submitted: float) -> None:
    if submitted < started:
        raise VoteRefusedError(
            f"a vote cannot be given before its pair was shown: started {iso(started)}, submitted {iso(submitted)}"
        )
    for name, value in (("watch_a_s", ballot.watch_a_s), ("watch_b_s", ballot.watch_b_s)):
        if value is not None and not (isinstance(value, Real) and 0 <= float(value) < math.inf):
            raise VoteRefusedError(f"{name} is a number of seconds from 0, got {value!r}")


def _check_standing(row: Row[Any], last: Row[Any] | None, ballot: Ballot, protocol: Protocol, now: float) -> None:
    if ballot.supersedes is None:
        if row.state != "open":
            raise VoteConflictError(
                f"pair {row.pair_id} has this annotator's vote already",
                hint="correct it with supersedes=, or take it back with `undo`",
            )
        return
    if row.state == "open" or last is None or last.vote_id != ballot.supersedes:
        raise VoteConflictError(f"vote {ballot.supersedes!r} is not the one that stands", hint="correct the latest one")
    _check_window(last.submitted_at, protocol, now)


def _check_window(submitted: float, protocol: Protocol, now: float) -> None:
    if now - submitted > protocol.undo_seconds:
        raise VoteRefusedError(
            f"a vote can be changed for {protocol.undo_seconds:g} s, this one is {now - submitted:.0f} s old",
            hint="it stays as it is; the protocol's undo_seconds says how long",
        )


def _check_room(connection: Connection, row: Row[Any], now: float) -> None:
    taken, _ = occupied(connection, row.pair_id, now, but=row.assignment_id)
    if row.target_votes is not None and taken >= row.target_votes:
        raise LeaseLostError(
            f"the time for pair {row.pair_id} ran out at {iso(row.leased_until)}, and others have taken its "
            f"{row.target_votes} place(s)",
            hint="nothing was stored; ask `next_pair` for another pair",
        )


def _append(connection: Connection, ballot: Ballot, last: Row[Any] | None, started: float, submitted: float) -> None:
    connection.execute(
        insert(schema.vote),
        {
            "vote_id": ballot.vote_id,
            "assignment_id": ballot.assignment_id,
            "sequence": 1 if last is None else last.sequence + 1,
            "action": "vote",
            "supersedes": last.vote_id if last else None,
            "content_sha256": ballot.sha256,
            "reasons": list(ballot.answers.reasons),
            "started_at": started,
            "submitted_at": submitted,
            "watch_a_s": ballot.watch_a_s,
            "watch_b_s": ballot.watch_b_s,
        },
    )
    rows = [asdict(judgement) | {"vote_id": ballot.vote_id} for judgement in ballot.answers.judgements]
    connection.execute(insert(schema.judgement), rows)
    if ballot.answers.comment:
        connection.execute(insert(schema.comment).values(vote_id=ballot.vote_id, text=ballot.answers.comment))


def _receipt(row: Row[Any], vote_id: str, submitted: float, *, stored: bool) -> Receipt:
    expected = None
    if row.kind == "calibration" and row.expected:
        expected = "a" if (row.expected == "2") == row.swapped else "b"
    return Receipt(
        vote_id=vote_id,
        assignment_id=row.assignment_id,
        pair_id=row.pair_id,
        stored=stored,
        submitted_at=iso(submitted),
        expected=expected,
    )


def assignment_of(connection: Connection, vote_id: str) -> str | None:
    """The assignment on which the vote of this id was given; None where there is no such vote."""
    known = connection.execute(_KNOWN, {"id": vote_id}).one_or_none()
    return None if known is None else known.assignment_id


def votes_since(connection: Connection, annotator: Annotator, since: float) -> int:
    """How many votes an annotator has given since a time, corrections aside."""
    query = (
        select(func.count())
        .select_from(schema.vote)
        .join(schema.assignment)
        .where(_ASSIGNMENT.annotator_id == annotator.id, _VOTE.submitted_at >= since)
        .where(_VOTE.action == "vote", _VOTE.sequence == 1)
    )
    return connection.execute(query).scalar_one()
