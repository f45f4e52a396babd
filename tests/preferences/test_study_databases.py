"""Where a study can be, what is refused, and that a writer killed in the middle of a vote leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from study_pairs import pair_rows
from voters import stop_in_the_middle

from stepbench.errors import ExitCode
from stepbench.preferences import Study
from stepbench.preferences.database import locate
from stepbench.preferences.errors import StudyBusyError, StudyError
from stepbench.preferences.study_folder import new_study


@pytest.mark.parametrize("place", ["sqlite:///{}/x.db", "{}/x.db", "{}/studies/april", "{}/study.sqlite"])
def test_a_study_is_opened_by_what_it_was_made_with(tmp_path: Path, place: str) -> None:
    where = place.format(tmp_path)
    with Study.create(where, pair_rows(3), seed=5, purpose="gate") as made:
        assignment = made.next_pair("ann")
        made.vote(assignment, "a")
    with Study.open(where) as opened:
        assert (opened.seed, opened.purpose, opened.protocol.name) == (5, "gate", "pairwise")
        assert opened.votes().equals(made.votes())
        assert opened.pseudonym("ann") == made.pseudonym("ann")
    with pytest.raises(StudyError, match="there is a study already"):
        Study.create(where)


def test_studies_are_named_after_their_folder_or_file(tmp_path: Path) -> None:
    assert Study.create(tmp_path / "april").study_id == "april"
    assert Study.create(tmp_path / "may.sqlite").study_id == "may"
    assert Study.create("sqlite://").study_id == "study"


def test_opening_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study at"):
        Study.open(tmp_path / "nowhere")
    with pytest.raises(StudyError, match="no study in"):
        Study.open("sqlite://")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": "mysql://host/db"}, "SQLite or PostgreSQL, got 'mysql'"),
        ({"url": "no such://"}, "not a database URL"),
        ({"url": "sqlite://", "study_id": "a b"}, "study_id must be 1 to 100"),
        ({"url": "sqlite://", "seed": -1}, "seed must be a whole number from 0"),
        ({"url": "sqlite://", "purpose": "fun"}, "purpose must be ranking or gate, got 'fun'"),
        ({"url": "sqlite://", "protocol": "none"}, "no protocol 'none'"),
    ],
)
def test_what_cannot_be_a_study(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        Study.create(**arguments)


def test_a_changed_protocol_and_an_unknown_version_are_noticed(tmp_path: Path) -> None:
    for change, message in [
        ("UPDATE study SET protocol = replace(protocol, '0.8', '0.1')", "was changed after it was frozen"),
        ("UPDATE study SET schema_version = 99", "schema 99, this version reads 1"),
    ]:
        folder = tmp_path / message[:8]
        with Study.create(folder) as study, study.database.writing() as connection:
            connection.execute(text(change))
        with pytest.raises(StudyError, match=message):
            Study.open(folder)


def test_a_folder_may_point_at_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_database: str
) -> None:
    monkeypatch.setenv("OUR_STUDY", postgres_database)
    folder = tmp_path / "april"
    study = new_study(folder, protocol="pairwise", url_from="OUR_STUDY")
    assert json.loads((folder / "study.json").read_text()) == {"url_from": "OUR_STUDY"}
    assert not (folder / "study.sqlite").exists()
    assert (study.study_id, study.folder) == ("april", folder)
    study.add_pairs(pair_rows(2))
    study.vote(study.next_pair("ann"), "a")
    assert len(Study.open(folder).votes()) == 1
    monkeypatch.delenv("OUR_STUDY")
    with pytest.raises(StudyError, match="environment variable OUR_STUDY, which is not set"):
        Study.open(folder)
    (folder / "study.json").write_text("{}")
    with pytest.raises(StudyError, match="must be"):
        locate(folder)


def test_a_new_study_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="which is not set"):
        new_study(tmp_path / "april", url_from="NOT_SET_ANYWHERE")
    assert not (tmp_path / "april" / "study.json").exists()
    new_study(tmp_path / "april")
    assert (tmp_path / "april" / "protocol.toml").read_text(encoding="utf-8").startswith("#")
    with pytest.raises(StudyError, match="there is a study already"):
        new_study(tmp_path / "april")


def test_a_database_that_is_away_is_said_so(tmp_path: Path, postgres_server: Path) -> None:
    with pytest.raises(StudyBusyError, match="cannot be used now") as refused:
        Study.open(f"postgresql://postgres:secret@/nowhere?host={postgres_server}")
    assert refused.value.exit_code == ExitCode.ENVIRONMENT
    assert "secret" not in str(refused.value)


def test_threads_share_a_study_in_memory() -> None:
    study = Study.create("sqlite://", pair_rows(20), target_votes=3)
    failures = []

    def work(name: str) -> None:
        try:
            while (assignment := study.next_pair(name)) is not None:
                study.vote(assignment, "a")
        except Exception as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"ann {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert study.pairs().votes.tolist() == [3] * 20


def test_a_client_killed_inside_a_vote_leaves_nothing_and_blocks_nobody(warm_processes: Any, study_url: str) -> None:
    study = Study.create(study_url, pair_rows(2), target_votes=1)
    assignment = study.next_pair("ann")
    assert assignment is not None
    ready = warm_processes.Event()
    process = warm_processes.Process(target=stop_in_the_middle, args=(study_url, assignment.assignment_id, ready))
    process.start()
    assert ready.wait(60)
    assert study.votes().empty, "readers see no half of a vote, and wait for nobody"
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert study.vote(assignment, "b", vote_id="whole").stored
    assert study.votes().vote_id.tolist() == ["whole"]
    study.close()


def test_both_databases_hold_what_tables_of_pairs_hold(study_url: str) -> None:
    row = {"prompt_id": "p" * 300, "language": "l" * 60, "pair_group": "g" * 300, "seed_1": 2**33, "seed_2": -(2**33)}
    row |= {"model_1": "\u202e<b>\U0001f642", "model_2": "a\nb", "sample_key_1": "k" * 80, "clip_sha256_1": "s" * 80}
    with Study.create(study_url, [row]) as study:
        stored = study.pairs().iloc[0]
    assert {name: stored[name] for name in row} == row


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed_1", 2**63, "pair 0: seed_1 is too large to be stored, got 9223372036854775808"),
        ("target_votes", 2**31, "pair 0: target_votes is too large"),
        ("text", "a\0b", r"pair 0: text cannot hold a NUL or half a surrogate pair, got 'a\\x00b'"),
        ("model_1", "\ud800", "pair 0: model_1 cannot hold a NUL or half a surrogate pair"),
    ],
)
def test_what_no_database_holds_is_refused_by_name(field: str, value: Any, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        Study.create("sqlite://", [pair_rows(1)[0] | {field: value}])
