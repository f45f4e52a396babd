"""Which pair an annotator gets next: by lease, never twice, never beyond a pair's target, least covered first."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, bindparam, case, func, insert, or_, select, update

from stepbench.preferences import schema
from stepbench.preferences.clock import iso
from stepbench.preferences.errors import VoteRefusedError
from stepbench.preferences.people import Annotator
from stepbench.preferences.protocol import Protocol
from stepbench.preferences.records import KINDS, Assignment, OwnProgress

_PAIR, _ASSIGNMENT = schema.pair.c, schema.assignment.c

# Queries are put together once: that takes longer than running them. An assignment holds a place of its pair when it
# was voted on, or when its lease is live.
_HOLDS = or_(_ASSIGNMENT.state != "open", _ASSIGNMENT.leased_until > bindparam("now"))
_COUNTS = (
    func.sum(case((_ASSIGNMENT.state == "skipped", 0), else_=1)).label("taken"),
    func.sum(case((_ASSIGNMENT.state == "skipped", 1), else_=0)).label("skips"),
    func.sum(case((_ASSIGNMENT.swapped, 1), else_=0)).label("swapped"),
)
_OF_PAIR = select(*_COUNTS).where(
    _ASSIGNMENT.pair_id == bindparam("pair"), _HOLDS, _ASSIGNMENT.assignment_id != bindparam("but")
)
_HISTORY = (
    select(schema.assignment, _PAIR.kind, _PAIR.model_1, _PAIR.model_2)
    .join(schema.pair)
    .where(_ASSIGNMENT.annotator_id == bindparam("annotator"))
    .order_by(_ASSIGNMENT.number)
)


def _open_pairs() -> Any:
    """Pairs that have room and that the annotator has not judged."""
    counts = select(_ASSIGNMENT.pair_id, *_COUNTS).where(_HOLDS).group_by(_ASSIGNMENT.pair_id).subquery()
    taken, skips, swapped = (func.coalesce(counts.c[name], 0) for name in ("taken", "skips", "swapped"))
    # A pair that was skipped more often than votes are wanted is shown no more: nobody seems able to judge it.
    room = (taken < _PAIR.target_votes) & (skips <= _PAIR.target_votes)
    seen = select(_ASSIGNMENT.pair_id).where(_ASSIGNMENT.annotator_id == bindparam("annotator"), _HOLDS)
    return (
        select(
            *(_PAIR.pair_id, _PAIR.kind, _PAIR.order, _PAIR.repeat_of, _PAIR.model_1, _PAIR.model_2),
            *(taken.label("taken"), (taken + skips).label("shown"), swapped.label("swapped")),
        )
        .outerjoin(counts, counts.c.pair_id == _PAIR.pair_id)
        .where(or_(_PAIR.target_votes.is_(None), room), _PAIR.pair_id.not_in(seen))
    )


_OPEN = _open_pairs()
_KINDS = select(_PAIR.kind, func.count()).group_by(_PAIR.kind)
_VIEW = select(schema.assignment, schema.pair).join(schema.pair).where(_ASSIGNMENT.assignment_id == bindparam("own"))


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
    return History(list(connection.execute(_HISTORY, {"annotator": annotator.id})))


def occupied(connection: Connection, pair_id: str, now: float, *, but: str = "") -> tuple[int, int]:
    """(votes and live leases, skips) of one pair, an assignment of one's own aside."""
    taken, skips, _ = connection.execute(_OF_PAIR, {"pair": pair_id, "now": now, "but": but}).one()
    return int(taken or 0), int(skips or 0)


def open_pairs(connection: Connection, annotator: Annotator, now: float) -> Sequence[Row[Any]]:
    """Pairs that have room and that the annotator neither judged nor holds."""
    return connection.execute(_OPEN, {"annotator": annotator.id, "now": now}).all()


def lease_next(
    connection: Connection, protocol: Protocol, seed: int, annotator: Annotator, history: History, now: float
) -> str | None:
    """Lease the next pair to an annotator who holds none; None when nothing is left for them."""
    number = len(history.done()) + 1
    found = open_pairs(connection, annotator, now)
    planned = {kind: count for kind, count in connection.execute(_KINDS)}
    candidates = _candidates(found, planned, protocol, history, [seed, annotator.id])
    if not candidates:
        return None
    rng = np.random.default_rng([seed, annotator.id, number])
    pair = candidates[int(rng.integers(len(candidates)))]
    values = {
        "number": number,
        "started_at": now,
        "leased_until": now + protocol.lease_minutes * 60,
        "propensity": 1 / len(candidates),
    }
    earlier = next((row for row in history.rows if row.pair_id == pair.pair_id), None)
    if earlier is not None:
        # Its sides stay: the pair may still be on a screen somewhere.
        own = _ASSIGNMENT.assignment_id == earlier.assignment_id
        connection.execute(update(schema.assignment).where(own).values(**values))
        return earlier.assignment_id
    values |= {
        "assignment_id": secrets.token_hex(16),
        "pair_id": pair.pair_id,
        "annotator_id": annotator.id,
        "swapped": _side(pair, history, rng),
        "state": "open",
    }
    connection.execute(insert(schema.assignment), values)
    return values["assignment_id"]


def _candidates(
    found: Sequence[Any], planned: dict[str, int], protocol: Protocol, history: History, key: list[int]
) -> list[Any]:
    """The pairs among which a lot decides: calibration, then gold and repeats as they fall due, then real pairs."""
    open_ = {kind: [row for row in found if row.kind == kind] for kind in KINDS}
    ripe = _ripe(open_["repeat"], history, protocol.repeat_distance)
    if open_["real"]:
        if open_["calibration"] and len(history.done("calibration")) < protocol.calibration:
            return [min(open_["calibration"], key=lambda row: (row.order, row.pair_id))]
        for kind, pairs in (("gold", open_["gold"]), ("repeat", ripe)):
            if pairs and _due(kind, planned, history, key):
                return _least_covered(pairs)
        return _least_covered(open_["real"])
    judged = len(history.done("real", "gold", "repeat"))
    if open_["gold"] and len(history.done("gold")) < round(_share("gold", planned) * (judged + 1)):
        return _least_covered(open_["gold"])
    return _least_covered(ripe)


def _least_covered(pairs: list[Any]) -> list[Any]:
    least = min((row.taken for row in pairs), default=0)
    return sorted((row for row in pairs if row.taken == least), key=lambda row: row.pair_id)


def _ripe(repeats: list[Any], history: History, distance: int) -> list[Any]:
    """Repeats of pairs that this annotator judged, more than `distance` pairs ago."""
    judged = {row.pair_id: row.number for row in history.done() if row.state == "voted"}
    number = len(history.done()) + 1
    return [row for row in repeats if row.repeat_of in judged and number - judged[row.repeat_of] > distance]


def _share(kind: str, planned: dict[str, int]) -> float:
    """Share of one kind among the pairs that an annotator who does everything would meet."""
    total = sum(count for name, count in planned.items() if name != "calibration")
    return planned.get(kind, 0) / total if total else 0.0


def _due(kind: str, planned: dict[str, int], history: History, key: list[int]) -> bool:
    """Whether the next pair of a kind is due: one at a random place in each stretch of 1 / share pairs."""
    share = _share(kind, planned)
    seen, judged = len(history.done(kind)), len(history.done("real", "gold", "repeat"))
    place = np.random.default_rng([*key, len(kind), seen]).random()
    return share > 0 and judged >= int((seen + place) / share)


def _side(pair: Any, history: History, rng: np.random.Generator) -> bool:
    """Whether clip 2 goes left: repeats the other way round, else what balances the pair, then the annotator."""
    first_time = next((row for row in history.rows if row.pair_id == pair.repeat_of), None)
    if first_time is not None:
        return not first_time.swapped
    unswapped = pair.shown - pair.swapped
    if pair.swapped != unswapped:
        return pair.swapped < unswapped
    one, two = history.left_balance(pair.model_1), history.left_balance(pair.model_2)
    return one > two if one != two else bool(rng.random() < 0.5)


def own_progress(connection: Connection, protocol: Protocol, annotator: Annotator | None, now: float) -> OwnProgress:
    """How far an annotator is; None for one who has not begun."""
    practice = min(protocol.calibration, dict(connection.execute(_KINDS).all()).get("calibration", 0))
    person = annotator or Annotator(-1, "", False)
    history = history_of(connection, person)
    live = history.live(now)
    found = [row for row in open_pairs(connection, person, now) if row.kind != "calibration"]
    # As if every lease had run out.
    without_leases = open_pairs(connection, person, float("inf"))
    held = {row.pair_id for row in without_leases if row.kind == "real"} - {row.pair_id for row in found}
    return OwnProgress(
        judged=len(history.done("real", "gold", "repeat")),
        left=len(found) + (live is not None and live.kind != "calibration"),
        with_others=len(held - ({live.pair_id} if live else set())),
        practised=len(history.done("calibration")),
        practice=practice,
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
    row = connection.execute(_VIEW, {"own": assignment_id}).mappings().one()
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
