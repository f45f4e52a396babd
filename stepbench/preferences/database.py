"""The database of a study: where it is, and transactions in which one writer at a time has it to itself."""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool, StaticPool

from stepbench.preferences import schema
from stepbench.preferences.errors import StudyBusyError, StudyError

STUDY_FILE = "study.sqlite"
ADDRESS_FILE = "study.json"
WAIT_SECONDS = 60
"""How long a writer waits for its turn before it gives up."""
STALLED_SECONDS = 30
"""A PostgreSQL client that falls silent inside a transaction loses it after this time, so that others can go on."""


@dataclass(frozen=True)
class Location:
    """Where a study is: its database, and the folder of its clips (None where there is none)."""

    url: URL
    folder: Path | None

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for PostgreSQL and for a database in memory."""
        if self.url.get_backend_name() != "sqlite" or self.url.database in (None, "", ":memory:"):
            return None
        return Path(str(self.url.database))


def locate(place: str | Path | URL) -> Location:
    """Read an SQLAlchemy URL, the path of a study folder, or the path of an SQLite file.

    Raises:
        StudyError: A database other than SQLite and PostgreSQL, or a study folder whose address is not to be had.
    """
    if isinstance(place, URL) or "://" in str(place):
        return _by_url(place)
    path = Path(place)
    if (path / ADDRESS_FILE).is_file():
        return Location(_by_url(_address(path / ADDRESS_FILE)).url, path)
    file = path if path.is_file() or path.suffix in (".sqlite", ".sqlite3", ".db") else path / STUDY_FILE
    return Location(URL.create("sqlite", database=str(file)), file.parent)


def _by_url(place: str | URL | Path) -> Location:
    try:
        url = make_url(str(place) if isinstance(place, Path) else place)
    except ArgumentError as error:
        raise StudyError(f"not a database URL: {place!s}", hint="for example sqlite:///study.sqlite") from error
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StudyError(
            f"a study lives in SQLite or PostgreSQL, got {url.drivername!r}",
            hint="for example sqlite:///study.sqlite or postgresql://user@host/database",
        )
    location = Location(url, None)
    return Location(url, location.file.parent) if location.file is not None else location


def _address(file: Path) -> str:
    try:
        variable = json.loads(file.read_text(encoding="utf-8"))["url_from"]
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(f'{file}: must be {{"url_from": "NAME_OF_A_VARIABLE"}}', hint="mend the file") from error
    if not os.environ.get(variable):
        raise StudyError(
            f"the database of this study is in the environment variable {variable}, which is not set",
            hint=f"export {variable}=postgresql://user:password@host/database",
        )
    return os.environ[variable]


def storable(text: str) -> bool:
    """Whether either database can hold a text: PostgreSQL takes no NUL, and no encoding half a surrogate pair."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


class Database:
    """Connections to one study's database; may be shared by threads.

    Writers take turns: SQLite's write lock, or a lock on the study's row in PostgreSQL, is taken before the first look
    at the tables, so what a writer has counted stays true until it commits. A killed writer leaves nothing behind.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self.in_memory = location.url.get_backend_name() == "sqlite" and location.file is None
        # SQLite lets waiting writers sleep and try again, so the threads of one process queue up here instead. A
        # database in memory has a single connection, which threads must not use at the same time even for reading.
        self._turn = threading.Lock() if location.url.get_backend_name() == "sqlite" else None
        try:
            self.engine = _engine(location.url, self.in_memory)
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise StudyError(
                f"no driver for {location.url.drivername}: {error}",
                hint="pip install 'stepbench[postgres]'",
            ) from error
        # A study that nobody closed closes its connections when it is no longer used.
        self._closing = weakref.finalize(self, self.engine.dispose)

    @contextmanager
    def writing(self, *, lock_study: bool = True) -> Iterator[Connection]:
        """A transaction that writes; it is stored whole, or not at all.

        Raises:
            StudyBusyError: The database is away or stayed locked; nothing was stored.
        """
        with self._connected(write=True) as connection:
            if lock_study and connection.dialect.name == "postgresql":
                connection.execute(select(schema.study.c.id).with_for_update())
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the study and holds nobody up.

        Raises:
            StudyBusyError: The database is away.
        """
        with self._connected(write=False) as connection:
            yield connection

    @contextmanager
    def _connected(self, write: bool) -> Iterator[Connection]:
        turn = self._turn if self._turn is not None and (write or self.in_memory) else nullcontext()
        try:
            with turn, self.engine.connect() as raw:
                connection = raw.execution_options(stepbench_write=write)
                if connection.dialect.name == "postgresql" and not write:
                    connection = connection.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    yield connection
        except (OperationalError, PoolTimeoutError) as error:
            said = error.orig if isinstance(error, OperationalError) else "all connections are in use"
            raise StudyBusyError(
                f"the study's database {self.location.url!r} cannot be used now: {said}",
                hint="nothing was stored; try the same again",
            ) from error
        except DatabaseError as error:
            # What is more special, such as a broken constraint, is a fault of ours.
            if type(error) is not DatabaseError:
                raise
            raise StudyError(
                f"{self.location.url!r} is no database of a study: {error.orig}", hint="restore it from a copy"
            ) from error

    def close(self) -> None:
        """Close all connections. Using the study again opens new ones."""
        self.engine.dispose()


def _engine(url: URL, in_memory: bool) -> Engine:
    if url.get_backend_name() == "postgresql":
        options = f"-c idle_in_transaction_session_timeout={STALLED_SECONDS * 1000} -c lock_timeout={WAIT_SECONDS}s"
        given = url.query.get("options")
        whole = f"{given} {options}" if isinstance(given, str) else options
        return create_engine(
            url.difference_update_query(["options"]),
            connect_args={"options": whole, "connect_timeout": 10},
            pool_size=4,
            max_overflow=0,
            pool_timeout=WAIT_SECONDS,
            pool_pre_ping=True,
        )
    pool: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {"poolclass": QueuePool, "pool_size": 4}
    if not in_memory:
        pool |= {"max_overflow": 0, "pool_timeout": WAIT_SECONDS}
    engine = create_engine(url, connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False}, **pool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Transactions begin where `_begin_sqlite` says, not where the driver guesses.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("stepbench_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
