"""Studies for tests: in memory, in SQLite files, and in a PostgreSQL server of the tests' own where there is one."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from study_pairs import Clock, pair_rows

from stepbench.preferences import Study

sys.path.append(str(Path(__file__).parents[1] / "data"))

import toy_process

# Imported once, in the process that voters are forked from.
toy_process.PRELOADED += ["voters"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_study(clock: Clock) -> Iterator[Callable[..., Study]]:
    """`make_study(pairs=12, target_votes=2)`: a study in memory on a clock that the test moves."""
    made: list[Study] = []

    def make(pairs: Any = 12, **options: Any) -> Study:
        rows = pair_rows(pairs) if isinstance(pairs, int) else pairs
        made.append(Study.create("sqlite://", rows, **{"clock": clock} | options))
        return made[-1]

    yield make
    for study in made:
        study.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def study_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new study can be made, on each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/study.sqlite"
    return request.getfixturevalue("postgres_database")


@pytest.fixture
def postgres_database(postgres_server: Path) -> str:
    """URL of an empty database."""
    import psycopg

    name = f"study_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"host={postgres_server} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://postgres@/{name}?host={postgres_server}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    """A server that listens on a socket in a folder of its own, and nowhere else; stopped at the end."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed here (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="stepbench-pg-"))
    data = folder / "data"
    if os.getuid() == 0:
        # The server refuses to run as root.
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=200"
    _as_postgres([programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"])
    _as_postgres([programs / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start"])
    try:
        yield folder
    finally:
        _as_postgres([programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"])
        shutil.rmtree(folder)


def _postgres_programs() -> Path | None:
    found = shutil.which("initdb")
    candidates = [Path(found).parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    usable = [folder for folder in candidates if (folder / "initdb").exists() and (folder / "pg_ctl").exists()]
    if os.getuid() == 0 and "postgres" not in {entry.pw_name for entry in pwd.getpwall()}:
        return None
    return usable[0] if usable else None


def _as_postgres(command: list[Any]) -> None:
    prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    done = subprocess.run(
        [*prefix, *map(str, command)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        timeout=60,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout.decode()}")
