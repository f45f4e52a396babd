"""Processes full of annotators who vote until nothing is left; they keep a diary, and may be killed at any moment."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

# For processes that are forked from one that has imported this module: the drivers come with it.
import psycopg  # noqa: F401
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.pysqlite  # noqa: F401

from stepbench.preferences import ballots
from stepbench.preferences.answers import read_answers
from stepbench.preferences.study import Study


def vote_on(url: str, diary: Path, annotators: list[str]) -> None:
    """One thread per annotator. The diary gets `try ID` before a vote is sent and `ok ID` once it was confirmed."""
    failures: list[BaseException] = []
    with Study.open(url) as study, diary.open("a", encoding="utf-8") as book:
        lock = threading.Lock()

        def write(line: str) -> None:
            with lock:
                book.write(line + "\n")
                book.flush()

        def work(name: str) -> None:
            try:
                while (assignment := study.next_pair(name)) is not None:
                    vote_id = f"{name}:{assignment.pair_id}"
                    winner = "a" if assignment.number % 2 else "b"
                    write(f"try {vote_id}")
                    study.vote(assignment, winner, vote_id=vote_id)
                    write(f"ok {vote_id}")
                    if assignment.number % 3 == 0:
                        # A client that heard no answer sends its vote again.
                        assert not study.vote(assignment, winner, vote_id=vote_id).stored
            except BaseException as error:  # noqa: BLE001 - told to the parent by the exit code
                failures.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in annotators]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def stop_in_the_middle(url: str, assignment_id: str, ready: Any) -> None:
    """Vote, but never come to the commit."""
    study = Study.open(url)
    with study.database.writing() as connection:
        answers = read_answers(study.protocol, "a", None, (), None)
        ballots.cast(connection, study.protocol, ballots.Ballot("half", assignment_id, answers), study.now(), None)
        ready.set()
        threading.Event().wait()
