"""A preference study: pairs to judge, leases, votes. One object per study, shared by any number of threads."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlalchemy import inspect, insert, select, update
from sqlalchemy.engine import URL

from stepbench.preferences import ballots, leases, people, schema, tables
from stepbench.preferences.answers import Ratings, Winners, read_answers
from stepbench.preferences.clock import day_start, iso, seconds_of
from stepbench.preferences.database import Database, Location, locate
from stepbench.preferences.errors import DailyCapError, StudyError, VoteRefusedError
from stepbench.preferences.pair_table import read_pairs
from stepbench.preferences.protocol import load_protocol, parse_protocol, protocol_sha256
from stepbench.preferences.records import Assignment, Pair, Receipt
from stepbench.records import SAFE_ID

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

Purpose = Literal["ranking", "gate"]


class Study:
    """A study that exists; made by `Study.create` or `Study.open`.

    Attributes:
        study_id: Its name.
        protocol: The questions and rules, as frozen when the study was made.
        protocol_sha256: Hash of the frozen text.
        seed: Of every random choice: the same calls in the same order give the same pairs and sides.
        purpose: "ranking", or "gate" where a decision rests on it and pairs may not be chosen by their outcome.
        folder: Where its clips are; None where there is no such folder.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.folder: Path | None = database.location.folder
        self._clock = clock
        with database.reading() as connection:
            row = _study_row(connection, database.location)
        self.study_id: str = row.study_id
        self.seed: int = row.seed
        self.purpose: str = row.purpose
        self.created_at: str = iso(row.created_at)
        self.protocol_text: str = row.protocol
        self.protocol_sha256: str = row.protocol_sha256
        self.protocol = parse_protocol(row.protocol, f"the protocol of study {row.study_id}")
        self._secret: str = row.secret

    @classmethod
    def create(
        cls,
        url: str | Path | URL,
        pairs: pd.DataFrame | Iterable[Mapping[str, Any] | Pair] | None = None,
        *,
        protocol: str | Path = "pairwise",
        target_votes: int | None = None,
        study_id: str | None = None,
        seed: int = 0,
        purpose: Purpose = "ranking",
        clock: Callable[[], float] = time.time,
    ) -> Study:
        """Make a study and freeze its protocol.

        Args:
            url: SQLAlchemy URL (`sqlite:///study.sqlite`, `postgresql://user@host/database`), or the path of a folder
                or of an SQLite file.
            pairs: What is to be judged, as `add_pairs` takes it; more can be added later.
            protocol: `pairwise`, `pairwise-dimensions`, `step-video`, `likert`, or a TOML file.
            target_votes: Votes per pair, where the pair itself does not say; by default the protocol's.
            study_id: A name; by default that of the folder.
            seed: At least 0; of the order of pairs and of sides.
            purpose: "gate" forbids pairs that are chosen by the votes so far.
            clock: Gives the time in seconds since 1970; for tests.

        Raises:
            StudyError: There is a study already, or something given cannot be used.
            StudyBusyError: The database cannot be reached.
        """
        _, text = load_protocol(protocol)
        location = locate(url)
        name = study_id or _name_of(location)
        if not SAFE_ID.fullmatch(name):
            raise StudyError(
                f"study_id must be 1 to 100 of A-Z a-z 0-9 . _ - and start with a letter or digit, got {name!r}"
            )
        if purpose not in get_args(Purpose):
            raise StudyError(f"purpose must be ranking or gate, got {purpose!r}")
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
            raise StudyError(f"seed must be a whole number from 0 to 2^31 - 1, got {seed!r}")
        checked = read_pairs(pairs) if pairs is not None else []
        if location.file is not None:
            location.file.parent.mkdir(parents=True, exist_ok=True)
        database = Database(location)
        with database.writing(lock_study=False) as connection:
            if _has_study(connection):
                raise StudyError(
                    f"there is a study already in {location.url!r}", hint="open it, or choose another place"
                )
            schema.metadata.create_all(connection)
            connection.execute(
                insert(schema.study).values(
                    id=1,
                    schema_version=schema.SCHEMA,
                    study_id=name,
                    created_at=clock(),
                    seed=seed,
                    purpose=purpose,
                    protocol=text,
                    protocol_sha256=protocol_sha256(text),
                    secret=secrets.token_hex(32),
                )
            )
        study = cls(database, clock)
        study.add_pairs(checked, target_votes=target_votes)
        return study

    @classmethod
    def open(cls, url: str | Path | URL, *, clock: Callable[[], float] = time.time) -> Study:
        """Open a study by the URL, folder or file it was made with.

        Raises:
            StudyError: There is none, or one that this version cannot read.
            StudyBusyError: The database cannot be reached.
        """
        location = locate(url)
        if location.file is not None and not location.file.is_file():
            raise StudyError(f"no study at {location.file}", hint="make one with `stepbench prefs new`")
        return cls(Database(location), clock)

    def add_pairs(
        self, pairs: pd.DataFrame | Iterable[Mapping[str, Any] | Pair], *, target_votes: int | None = None
    ) -> int:
        """Plan more pairs; those that are planned already, by id, stay as they are.

        Args:
            pairs: A data frame, dicts or `Pair` records. Needed: prompt_id, model_1, model_2 (or model_a, model_b);
                usual: text, clip_1, clip_2, kind, expected; see `Pair`.
            target_votes: Votes per real pair and per repeat that do not say themselves; by default the protocol's.
                Gold and calibration pairs without a number are for every annotator.

        Returns:
            How many were new.

        Raises:
            StudyError: A pair that cannot be used; names the row.
        """
        if target_votes is not None and (isinstance(target_votes, bool) or target_votes < 1):
            raise StudyError(f"target_votes must be at least 1, got {target_votes}")
        wanted = target_votes or self.protocol.target_votes
        records = read_pairs(pairs)
        with self.database.writing() as connection:
            known = set(connection.execute(select(schema.pair.c.pair_id)).scalars())
            new = [pair for pair in records if pair.pair_id not in known]
            start = len(known)
            rows = [
                {name: getattr(pair, name) for name in schema.PAIR_COLUMNS}
                | {"order": start + number, "target_votes": _target(pair, wanted)}
                for number, pair in enumerate(new)
            ]
            # A repeat points at its pair, which must be there first.
            for batch in ([row for row in rows if not row["repeat_of"]], [row for row in rows if row["repeat_of"]]):
                if batch:
                    connection.execute(insert(schema.pair), batch)
        return len(new)

    def register(self, annotator: str, *, simulated: bool = False) -> str:
        """Make an annotator known before the first pair, and give the pseudonym. Programs must say `simulated`.

        Raises:
            StudyError: A person's name used by a program, or the other way round.
        """
        with self.database.writing() as connection:
            return people.register(connection, self._secret, annotator, self._clock(), simulated=simulated).pseudonym

    def pseudonym(self, annotator: str) -> str | None:
        """How the tables call the annotator of this name; None for a name that is not known."""
        with self.database.reading() as connection:
            known = people.find(connection, self._secret, annotator)
        return known.pseudonym if known else None

    def next_pair(self, annotator: str) -> Assignment | None:
        """Lease the next pair to an annotator, or give back the one they hold already.

        A new name is a new annotator. A pair goes once to each annotator, the least covered first, and never to more
        than its target of votes and live leases.

        Returns:
            The assignment, or None when nothing is left for this annotator now. Leases of others that run out may
            bring something back.

        Raises:
            DailyCapError: The annotator has given today's number of votes.
            StudyBusyError: The database cannot be reached; try again.
        """
        with self.database.writing() as connection:
            now = self._clock()
            person = people.register(connection, self._secret, annotator, now, simulated=None)
            history = leases.history_of(connection, person)
            live = history.live(now)
            if live is not None:
                leases.extend(connection, live.assignment_id, self._lease_end(now))
                return self._assignment(connection, live.assignment_id)
            self._check_cap(connection, person, now)
            leased = leases.lease_next(connection, self.protocol, self.seed, person, history, now)
            return self._assignment(connection, leased) if leased else None

    def heartbeat(self, assignment: Assignment | str) -> bool:
        """Move the end of a lease on, as long as it has not run out; False where it is no longer held."""
        assignment_id = _id_of(assignment)
        with self.database.writing() as connection:
            now = self._clock()
            return leases.extend(connection, assignment_id, self._lease_end(now), alive_at=now)

    def vote(
        self,
        assignment: Assignment | str | None = None,
        winner: Winners = None,
        *,
        ratings: Ratings = None,
        reasons: Iterable[str] = (),
        comment: str | None = None,
        assignment_id: str | None = None,
        vote_id: str | None = None,
        supersedes: str | None = None,
        annotator: str | None = None,
        started_at: str | None = None,
        submitted_at: str | None = None,
        watch_a_s: float | None = None,
        watch_b_s: float | None = None,
    ) -> Receipt:
        """Store the vote on a pair from `next_pair`.

        Args:
            assignment: The assignment, or its id.
            winner: "a" (the clip on the left), "b", "tie", "both_bad" or "skip", as the protocol allows; with several
                pairwise questions a mapping from dimension to answer.
            ratings: {"a": {dimension: 1 to 5}, "b": {...}}, where the protocol asks for ratings.
            reasons: Ids of the protocol's reasons.
            comment: Free text, where the protocol takes it.
            assignment_id: The same as `assignment`.
            vote_id: An id made by the client. The same vote sent again under it is stored once. Made here by default.
            supersedes: The vote that this one corrects, within the protocol's time for it.
            annotator: Who votes; checked where given.
            started_at: When the pair was shown, ISO 8601; by default when it was leased.
            submitted_at: When it was voted on, ISO 8601; by default now.
            watch_a_s: Seconds for which clip a was watched.
            watch_b_s: Seconds for which clip b was watched.

        Raises:
            VoteConflictError: The id stands with another content, or the pair has this annotator's vote already.
            LeaseLostError: The lease has run out and others have filled the pair since.
            VoteRefusedError: An answer that the protocol does not know or lacks, no such assignment, too late a
                correction.
            StudyBusyError: The database cannot be reached; nothing was stored, send the same vote again.
        """
        chosen = assignment_id if assignment is None else _id_of(assignment)
        if chosen is None or (assignment is not None and assignment_id not in (None, chosen)):
            raise VoteRefusedError("a vote needs one assignment", hint="pass what `next_pair` returned")
        identity = str(uuid.uuid4()) if vote_id is None else str(vote_id)
        if not 0 < len(identity) <= 100:
            raise VoteRefusedError(f"a vote_id has 1 to 100 characters, got {len(identity)}")
        ballot = ballots.Ballot(
            vote_id=identity,
            assignment_id=chosen,
            answers=read_answers(self.protocol, winner, ratings, reasons, comment),
            supersedes=supersedes,
            started_at=None if started_at is None else seconds_of(started_at),
            submitted_at=None if submitted_at is None else seconds_of(submitted_at),
            watch_a_s=watch_a_s,
            watch_b_s=watch_b_s,
        )
        with self.database.writing() as connection:
            person = None if annotator is None else self._known(connection, annotator)
            return ballots.cast(connection, self.protocol, ballot, self._clock(), person)

    def undo(self, annotator: str) -> Assignment:
        """Take back one's own last vote, within the protocol's time; its pair is given to the annotator again.

        Raises:
            VoteRefusedError: There is no vote, or it is too old.
        """
        with self.database.writing() as connection:
            person = self._known(connection, annotator)
            undone = ballots.undo_last(connection, self.protocol, person, str(uuid.uuid4()), self._clock())
            return self._assignment(connection, undone)

    def forget(self, annotator: str) -> str:
        """Cut the link from a name to its votes and delete its comments; the votes stay, under a new pseudonym.

        Who comes back later is somebody new to the study.

        Returns:
            The new pseudonym.

        Raises:
            StudyError: Nobody of this name is known.
        """
        with self.database.writing() as connection:
            return people.forget(connection, self._known(connection, annotator))

    def votes(self, *, include_superseded: bool = False) -> pd.DataFrame:
        """One row per judgement that stands, oldest first; columns as in docs/preference-studies.md.

        A submission that answers several questions has one row for each, all with its vote_id. `a` is the clip that
        stood on the left for this annotator. `excluded` names the rule of the protocol that the annotator broke.

        Args:
            include_superseded: Also those that were corrected or taken back.
        """
        with self.database.reading() as connection:
            frame = tables.vote_table(connection, include_superseded=include_superseded)
        frame["excluded"] = None
        return frame[list(tables.VOTE_COLUMNS)]

    def pairs(self) -> pd.DataFrame:
        """One row per planned pair; `votes` counts those that stand, skipped ones aside."""
        with self.database.reading() as connection:
            return tables.pair_table(connection)

    def clip_path(self, clip: str) -> Path | str:
        """Where a clip named by `pairs`, `votes` or an assignment is; addresses (with `://`) stay as they are."""
        if "://" in clip or self.folder is None:
            return clip
        return self.folder / clip

    def close(self) -> None:
        """Close the connections to the database."""
        self.database.close()

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lease_end(self, now: float) -> float:
        return now + self.protocol.lease_minutes * 60

    def _known(self, connection: Connection, annotator: str) -> people.Annotator:
        known = people.find(connection, self._secret, annotator)
        if known is None:
            raise StudyError("no annotator of this name in the study", hint="check the spelling")
        return known

    def _check_cap(self, connection: Connection, person: people.Annotator, now: float) -> None:
        cap = self.protocol.daily_cap
        if cap and not person.simulated and ballots.votes_since(connection, person, day_start(now)) >= cap:
            raise DailyCapError(
                f"{cap} votes a day are the most that protocol {self.protocol.name} takes from one annotator",
                hint="come back after midnight UTC",
            )

    def _assignment(self, connection: Connection, assignment_id: str) -> Assignment:
        query = (
            select(schema.assignment, schema.pair)
            .join(schema.pair)
            .where(schema.assignment.c.assignment_id == assignment_id)
        )
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


def _target(pair: Pair, wanted: int) -> int | None:
    return wanted if pair.target_votes is None and pair.kind in ("real", "repeat") else pair.target_votes


def _id_of(assignment: Assignment | str) -> str:
    return assignment if isinstance(assignment, str) else assignment.assignment_id


def _name_of(location: Location) -> str:
    if location.file is None:
        return "study"
    named = location.file.parent.resolve().name if location.file.name == "study.sqlite" else location.file.stem
    return named if SAFE_ID.fullmatch(named) else "study"


def _has_study(connection: Connection) -> bool:
    return inspect(connection).has_table("study") and connection.execute(select(schema.study.c.id)).first() is not None


def _study_row(connection: Connection, location: Location) -> Any:
    if not inspect(connection).has_table("study"):
        raise StudyError(f"no study in {location.url!r}", hint="make one with `stepbench prefs new`")
    row = connection.execute(select(schema.study)).one_or_none()
    if row is None or row.schema_version != schema.SCHEMA:
        found = "none" if row is None else row.schema_version
        raise StudyError(
            f"study in {location.url!r}: schema {found}, this version reads {schema.SCHEMA}",
            hint="use the stepbench version that made it",
        )
    return row
