"""Which pair an annotator gets next: by lease, never twice, never beyond a pair's target, least covered first."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, case, func, insert, literal, or_, select, update

from stepbench.preferences import schema
from stepbench.preferences.clock import iso
from stepbench.preferences.errors import VoteRefusedError
from stepbench.preferences.people import Annotator
from stepbench.preferences.protocol import Protocol
from stepbench.preferences.records import Assignment

_PAIR, _ASSIGNMENT = schema.pair.c, schema.assignment.c


@dataclass(frozen=True)
class History:
    """What an annotator has judged or been given so far, one row per assignment."""

    rows: list[Row[Any]]

    def done(self, *kinds: str) -> list[Row[Any]]:
        """Judged or skipped pairs of these kinds; of all kinds when none is named."""
        return [row for row in self.rows if row.state != "open" and (not kinds or row.kind in kinds)]

    def live(self, now: float) -> Row[Any] | None:
        """The pair that is leased to the annotator now."""
        return next((row for row in self.rows if row.state == "open" and row.leased_until > now), None)

    def left_balance(self, model: str) -> int:
        """How much more often this model's clips stood left than right."""
        left = sum((row.model_2 if row.swapped else row.model_1) == model for row in self.rows)
        right = sum((row.model_1 if row.swapped else row.model_2) == model for row in self.rows)
        return left - right


def history_of(connection: Connection, annotator: Annotator) -> History:
    """All assignments of an annotator."""
    query = (
        select(schema.assignment, _PAIR.kind, _PAIR.model_1, _PAIR.model_2)
        .join(schema.pair)
        .where(_ASSIGNMENT.annotator_id == annotator.id)
        .order_by(_ASSIGNMENT.number)
    )
    return History(list(connection.execute(query)))


def occupied(connection: Connection, pair_id: str, now: float, *, but: str = "") -> tuple[int, int]:
    """(votes and live leases, skips) of one pair, an assignment of one's own aside."""
    query = select(*_counts()).where(_ASSIGNMENT.pair_id == pair_id, _holds(now), _ASSIGNMENT.assignment_id != but)
    taken, skips, _ = connection.execute(query).one()
    return int(taken or 0), int(skips or 0)


def lease_next(
    connection: Connection, protocol: Protocol, seed: int, annotator: Annotator, history: History, now: float
) -> str | None:
    """Lease the next pair to an annotator who holds none; None when nothing is left for them."""
    done = history.done()
    number = len(done) + 1
    rng = np.random.default_rng([seed, annotator.id, number])
    chosen = _choose(connection, protocol, seed, annotator, history, now, rng)
    if chosen is None:
        return None
    pair_id, propensity, repeated = chosen
    values = {"number": number, "started_at": now, "leased_until": now + protocol.lease_minutes * 60}
    earlier = next((row for row in history.rows if row.pair_id == pair_id), None)
    if earlier is not None:
        # Its sides stay: the pair may still be on a screen somewhere.
        own = _ASSIGNMENT.assignment_id == earlier.assignment_id
        connection.execute(update(schema.assignment).where(own).values(**values, propensity=propensity))
        return earlier.assignment_id
    swapped = not repeated.swapped if repeated else _side(connection, pair_id, history, now, rng)
    assignment_id = secrets.token_hex(16)
    connection.execute(
        insert(schema.assignment).values(
            **values,
            assignment_id=assignment_id,
            pair_id=pair_id,
            annotator_id=annotator.id,
            swapped=swapped,
            propensity=propensity,
            state="open",
        )
    )
    return assignment_id


def _choose(
    connection: Connection,
    protocol: Protocol,
    seed: int,
    annotator: Annotator,
    history: History,
    now: float,
    rng: np.random.Generator,
) -> tuple[str, float, Row[Any] | None] | None:
    """(pair, chance of it, what it repeats): calibration, then gold and repeats as they fall due, then real pairs."""
    real = _open_pairs(connection, annotator, "real", now)
    golds, repeats = (_open_pairs(connection, annotator, kind, now) for kind in ("gold", "repeat"))
    ripe = _ripe(repeats, history, protocol.repeat_distance)
    planned = connection.execute(select(_PAIR.kind, func.count()).group_by(_PAIR.kind))
    counts = {kind: count for kind, count in planned}
    if real:
        if len(history.done("calibration")) < protocol.calibration:
            calibration = _open_pairs(connection, annotator, "calibration", now)
            if calibration:
                return min(calibration, key=lambda row: (row.order, row.pair_id)).pair_id, 1.0, None
        for kind, pairs in (("gold", golds), ("repeat", [row for row, _ in ripe])):
            if pairs and _due(kind, counts, history, [seed, annotator.id]):
                return _drawn(pairs, rng, ripe)
        return _drawn(real, rng, ripe)
    judged = len(history.done("real", "gold", "repeat"))
    wanted = round(_share("gold", counts) * (judged + 1))
    if golds and len(history.done("gold")) < wanted:
        return _drawn(golds, rng, ripe)
    return _drawn([row for row, _ in ripe], rng, ripe) if ripe else None


def _drawn(
    pairs: list[Row[Any]], rng: np.random.Generator, ripe: list[tuple[Row[Any], Row[Any]]]
) -> tuple[str, float, Row[Any] | None]:
    """One of the least covered pairs, each with the same chance."""
    least = min(row.taken for row in pairs)
    candidates = sorted(row.pair_id for row in pairs if row.taken == least)
    pair_id = candidates[int(rng.integers(len(candidates)))]
    repeated = next((first for row, first in ripe if row.pair_id == pair_id), None)
    return pair_id, 1 / len(candidates), repeated


def _ripe(repeats: list[Row[Any]], history: History, distance: int) -> list[tuple[Row[Any], Row[Any]]]:
    """Repeats whose first showing to this annotator lies far enough back, each with that showing."""
    shown = {row.pair_id: row for row in history.done() if row.state == "voted"}
    number = len(history.done()) + 1
    found = [(row, shown.get(row.repeat_of)) for row in repeats]
    return [(row, first) for row, first in found if first is not None and number - first.number > distance]


def _share(kind: str, counts: dict[str, int]) -> float:
    """Share of one kind among the pairs that an annotator who does everything would meet."""
    total = sum(count for name, count in counts.items() if name != "calibration")
    return counts.get(kind, 0) / total if total else 0.0


def _due(kind: str, counts: dict[str, int], history: History, key: list[int]) -> bool:
    """Whether the next pair of a kind is due: one at a random place in each stretch of 1 / share pairs."""
    share = _share(kind, counts)
    seen, judged = len(history.done(kind)), len(history.done("real", "gold", "repeat"))
    place = np.random.default_rng([*key, len(kind), seen]).random()
    return share > 0 and judged >= int((seen + place) / share)


def _side(connection: Connection, pair_id: str, history: History, now: float, rng: np.random.Generator) -> bool:
    """Whether clip 2 goes left: whatever balances the pair, then whatever balances the models for this annotator."""
    query = select(*_counts()).where(_ASSIGNMENT.pair_id == pair_id, _holds(now))
    taken, skips, swapped = (int(value or 0) for value in connection.execute(query).one())
    unswapped = taken + skips - swapped
    if swapped != unswapped:
        return swapped < unswapped
    first, second = connection.execute(select(_PAIR.model_1, _PAIR.model_2).where(_PAIR.pair_id == pair_id)).one()
    if first != second and history.left_balance(first) != history.left_balance(second):
        return history.left_balance(first) > history.left_balance(second)
    return bool(rng.random() < 0.5)


def _open_pairs(connection: Connection, annotator: Annotator, kind: str, now: float) -> list[Any]:
    """Pairs of a kind that have room and that this annotator has not judged: pair_id, order, repeat_of, taken."""
    counts = select(_ASSIGNMENT.pair_id, *_counts()).where(_holds(now)).group_by(_ASSIGNMENT.pair_id).subquery()
    seen = select(_ASSIGNMENT.pair_id).where(
        _ASSIGNMENT.annotator_id == annotator.id, or_(_ASSIGNMENT.state != "open", _ASSIGNMENT.leased_until > now)
    )
    taken, skips = (func.coalesce(column, 0) for column in (counts.c.taken, counts.c.skips))
    room = or_(
        _PAIR.target_votes.is_(None),
        # Pairs that nobody can judge are not shown for ever.
        (taken < _PAIR.target_votes) & (skips < _PAIR.target_votes),
    )
    query = (
        select(_PAIR.pair_id, _PAIR.order, _PAIR.repeat_of, taken.label("taken"))
        .outerjoin(counts, counts.c.pair_id == _PAIR.pair_id)
        .where(_PAIR.kind == kind, room, _PAIR.pair_id.not_in(seen))
    )
    return list(connection.execute(query))


def _holds(now: float) -> Any:
    """Assignments that hold a place of their pair."""
    return or_(_ASSIGNMENT.state != "open", _ASSIGNMENT.leased_until > now)


def _counts() -> tuple[Any, Any, Any]:
    one, none = literal(1), literal(0)
    return (
        func.sum(case((_ASSIGNMENT.state == "skipped", none), else_=one)).label("taken"),
        func.sum(case((_ASSIGNMENT.state == "skipped", one), else_=none)).label("skips"),
        func.sum(case((_ASSIGNMENT.swapped, one), else_=none)).label("swapped"),
    )


def extend(connection: Connection, assignment_id: str, until: float, *, alive_at: float | None = None) -> bool:
    """Move the end of an open lease; with `alive_at` only if it has not run out by then. Says whether it did."""
    conditions = [_ASSIGNMENT.assignment_id == assignment_id, _ASSIGNMENT.state == "open"]
    if alive_at is not None:
        conditions.append(_ASSIGNMENT.leased_until > alive_at)
    changed = connection.execute(update(schema.assignment).where(*conditions).values(leased_until=until))
    return changed.rowcount == 1


def is_swapped(connection: Connection, assignment_id: str) -> bool:
    """Whether clip 2 stands on the left.

    Raises:
        VoteRefusedError: No such assignment.
    """
    found = connection.execute(select(_ASSIGNMENT.swapped).where(_ASSIGNMENT.assignment_id == assignment_id)).first()
    if found is None:
        raise VoteRefusedError(f"no assignment {assignment_id!r}", hint="ask `next_pair` for a pair first")
    return bool(found.swapped)


def view(connection: Connection, assignment_id: str) -> Assignment:
    """All that its annotator may know of an assignment."""
    query = select(schema.assignment, schema.pair).join(schema.pair).where(_ASSIGNMENT.assignment_id == assignment_id)
    row = connection.execute(query).mappings().one()
    left, right = ("2", "1") if row["swapped"] else ("1", "2")
    return Assignment(
        assignment_id=assignment_id,
        pair_id=row["pair_id"],
        prompt_id=row["prompt_id"],
        text=row["text"],
        language=row["language"],
        left=row[f"clip_{left}"],
        right=row[f"clip_{right}"],
        left_frames=row[f"frames_{left}"],
        right_frames=row[f"frames_{right}"],
        left_fps=row[f"fps_{left}"],
        right_fps=row[f"fps_{right}"],
        calibration=row["kind"] == "calibration",
        number=row["number"],
        started_at=iso(row["started_at"]),
        leased_until=iso(row["leased_until"]),
    )
