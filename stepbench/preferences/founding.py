"""The one row that makes a database a study: written once, with the protocol frozen in it, and read on opening."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Connection, insert, inspect, select

from stepbench.preferences import schema
from stepbench.preferences.database import Database, Location
from stepbench.preferences.errors import StudyError
from stepbench.preferences.protocol import Protocol, parse_protocol, protocol_sha256
from stepbench.records import SAFE_ID

Purpose = Literal["ranking", "gate"]


@dataclass(frozen=True, kw_only=True)
class Charter:
    """What a study was founded with. `secret` keys its pseudonyms and appears in no export and no message."""

    study_id: str
    created_at: float
    seed: int
    purpose: Purpose
    protocol: Protocol
    protocol_text: str
    protocol_sha256: str
    secret: str


def found(database: Database, protocol_text: str, study_id: str, seed: int, purpose: Purpose, now: float) -> None:
    """Make the tables and the study's row.

    Raises:
        StudyError: There is a study already, or the id, seed or purpose cannot be used.
    """
    if not SAFE_ID.fullmatch(study_id):
        raise StudyError(
            f"study_id must be 1 to 100 of A-Z a-z 0-9 . _ - and start with a letter or digit, got {study_id!r}",
            hint="choose a short name without spaces",
        )
    if purpose not in get_args(Purpose):
        raise StudyError(f"purpose must be ranking or gate, got {purpose!r}", hint="gate forbids adaptive pairing")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise StudyError(f"seed must be a whole number from 0 to 2^31 - 1, got {seed!r}", hint="for example 0")
    file = database.location.file
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    with database.writing(lock_study=False) as connection:
        if inspect(connection).has_table("study"):
            raise StudyError(
                f"there is a study already in {database.location.url!r}", hint="open it, or choose another place"
            )
        schema.metadata.create_all(connection)
        connection.execute(
            insert(schema.study).values(
                id=1,
                schema_version=schema.SCHEMA,
                study_id=study_id,
                created_at=now,
                seed=seed,
                purpose=purpose,
                protocol=protocol_text,
                protocol_sha256=protocol_sha256(protocol_text),
                secret=secrets.token_hex(32),
            )
        )


def read_charter(connection: Connection, location: Location) -> Charter:
    """The charter of the study in this database.

    Raises:
        StudyError: There is no study, it is of another version, or its protocol is not the one that was frozen.
    """
    if not inspect(connection).has_table("study"):
        raise StudyError(f"no study in {location.url!r}", hint="make one with `stepbench prefs new`")
    row = connection.execute(select(schema.study)).one_or_none()
    if row is None or row.schema_version != schema.SCHEMA:
        found_version = "none" if row is None else row.schema_version
        raise StudyError(
            f"study in {location.url!r}: schema {found_version}, this version reads {schema.SCHEMA}",
            hint="use the stepbench version that made it",
        )
    if protocol_sha256(row.protocol) != row.protocol_sha256:
        raise StudyError(
            f"the protocol of study {row.study_id} was changed after it was frozen: its sha256 is not "
            f"{row.protocol_sha256[:12]}",
            hint="restore the database from a copy; a new protocol needs a new study",
        )
    return Charter(
        study_id=row.study_id,
        created_at=row.created_at,
        seed=row.seed,
        purpose=row.purpose,
        protocol=parse_protocol(row.protocol, f"the protocol of study {row.study_id}"),
        protocol_text=row.protocol,
        protocol_sha256=row.protocol_sha256,
        secret=row.secret,
    )


def name_of(location: Location) -> str:
    """A study's id where none is given: the name of its folder, or of its file."""
    if location.file is None:
        return "study"
    named = location.file.parent.resolve().name if location.file.name == "study.sqlite" else location.file.stem
    return named if SAFE_ID.fullmatch(named) else "study"
