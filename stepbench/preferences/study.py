"""A preference study: pairs to judge, leases, votes. One object per study, shared by any number of threads."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert
from sqlalchemy.engine import URL

from stepbench.preferences import ballots, leases, people, schema, tables
from stepbench.preferences.answers import Ratings, Winners, read_answers
from stepbench.preferences.clock import day_start, iso, seconds_of
from stepbench.preferences.database import Database, locate, storable
from stepbench.preferences.errors import DailyCapError, StudyError, VoteRefusedError
from stepbench.preferences.founding import Purpose, found, name_of, read_charter
from stepbench.preferences.pair_table import read_pairs
from stepbench.preferences.planned import blinded, insert_pairs
from stepbench.preferences.protocol import load_protocol
from stepbench.preferences.records import Assignment, OwnProgress, Pair, Receipt

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection


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
            self._charter = read_charter(connection, database.location)
        self.study_id = self._charter.study_id
        self.seed = self._charter.seed
        self.purpose = self._charter.purpose
        self.created_at = iso(self._charter.created_at)
        self.protocol = self._charter.protocol
        self.protocol_text = self._charter.protocol_text
        self.protocol_sha256 = self._charter.protocol_sha256

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
        checked = read_pairs(pairs) if pairs is not None else []
        database = Database(locate(url))
        found(database, text, study_id or name_of(database.location), seed, purpose, clock())
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
                usual: text, clip_1, clip_2, kind, expected; see `Pair`. Clips that are files here are encoded anew
                into the study's folder, under names that tell nothing; others stay as they are named.
            target_votes: Votes per real pair and per repeat that do not say themselves; by default the protocol's.
                Gold and calibration pairs without a number are for every annotator.

        Returns:
            How many were new.

        Raises:
            StudyError: A pair that cannot be used; names the row.
        """
        if target_votes is not None and (isinstance(target_votes, bool) or target_votes < 1):
            raise StudyError(f"target_votes must be at least 1, got {target_votes}")
        records = blinded(read_pairs(pairs), self.folder)
        with self.database.writing() as connection:
            return insert_pairs(connection, records, target_votes or self.protocol.target_votes)

    def register(self, annotator: str, *, simulated: bool = False) -> str:
        """Make an annotator known before the first pair, and give the pseudonym. Programs must say `simulated`.

        Raises:
            StudyError: A person's name used by a program, or the other way round.
        """
        with self.database.writing() as connection:
            return people.register(
                connection, self._charter.secret, annotator, self._clock(), simulated=simulated
            ).pseudonym

    def pseudonym(self, annotator: str) -> str | None:
        """How the tables call the annotator of this name; None for a name that is not known."""
        with self.database.reading() as connection:
            known = people.find(connection, self._charter.secret, annotator)
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
            person = people.register(connection, self._charter.secret, annotator, now, simulated=None)
            history = leases.history_of(connection, person)
            live = history.live(now)
            if live is not None:
                leases.extend(connection, live.assignment_id, self._lease_end(now))
                return leases.view(connection, live.assignment_id)
            self._check_cap(connection, person, now)
            leased = leases.lease_next(connection, self.protocol, self.seed, person, history, now)
            return leases.view(connection, leased) if leased else None

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
        if not storable(identity):
            raise VoteRefusedError(f"a vote_id cannot hold a NUL or half a surrogate pair, got {identity!r}")
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
            return leases.view(connection, undone)

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
        import pandas as pd

        from stepbench.preferences.quality import exclusions

        with self.database.reading() as connection:
            standing = tables.vote_table(connection)
            pairs = tables.pair_table(connection)
            frame = tables.vote_table(connection, include_superseded=True) if include_superseded else standing
        rules = exclusions(standing, pairs, self.protocol)
        marked = frame.assign(excluded=pd.Series([rules.get(name) for name in frame["annotator"]], dtype=object))
        return marked.reindex(columns=list(tables.VOTE_COLUMNS))

    def quality(self) -> pd.DataFrame:
        """How each annotator answered, and whom which rule of the protocol excludes; see `annotator_quality`."""
        from stepbench.preferences.quality import annotator_quality

        with self.database.reading() as connection:
            standing, pairs = tables.vote_table(connection), tables.pair_table(connection)
        return annotator_quality(standing, pairs, self.protocol)

    def pairs(self) -> pd.DataFrame:
        """One row per planned pair; `votes` counts those that stand, skipped ones aside."""
        with self.database.reading() as connection:
            return tables.pair_table(connection)

    def log(self, kind: str, data: Mapping[str, Any]) -> None:
        """Note what was done to the study, such as a plan, in its log of events. No names, nothing about people."""
        with self.database.writing() as connection:
            connection.execute(insert(schema.event_log).values(at=self._clock(), kind=kind, data=dict(data)))

    def events(self) -> pd.DataFrame:
        """The log of events, oldest first: at (ISO 8601), kind, data."""
        with self.database.reading() as connection:
            return tables.event_table(connection)

    def live_leases(self) -> pd.Series:
        """Pairs that are with an annotator now: how many leases each has (index: pair_id)."""
        with self.database.reading() as connection:
            return tables.live_leases(connection, self._clock())

    def left_clip(self, assignment: Assignment | str) -> str:
        """Which clip of the plan stands on the left, "1" or "2". For programs: an annotator must not be told.

        Raises:
            VoteRefusedError: No such assignment.
        """
        with self.database.reading() as connection:
            return "2" if leases.is_swapped(connection, _id_of(assignment)) else "1"

    def assignment(self, assignment_id: str) -> Assignment:
        """An assignment by its id, which cannot be guessed: all that its annotator may know of it.

        Raises:
            VoteRefusedError: No such assignment.
        """
        with self.database.reading() as connection:
            leases.is_swapped(connection, assignment_id)
            return leases.view(connection, assignment_id)

    def voted_on(self, vote_id: str) -> str | None:
        """The assignment on which the vote of this id was given; None where there is no such vote."""
        with self.database.reading() as connection:
            return ballots.assignment_of(connection, vote_id)

    def own_progress(self, annotator: str) -> OwnProgress:
        """How far one annotator is. Kinds are not told apart, so that it gives no gold pair away."""
        with self.database.reading() as connection:
            person = people.find(connection, self._charter.secret, annotator)
            return leases.own_progress(connection, self.protocol, person, self._clock())

    def now(self) -> float:
        """Seconds since 1970 by the study's clock."""
        return self._clock()

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
        known = people.find(connection, self._charter.secret, annotator)
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


def _id_of(assignment: Assignment | str) -> str:
    return assignment if isinstance(assignment, str) else assignment.assignment_id
