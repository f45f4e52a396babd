"""`stepbench prefs serve` and `invite`: what is refused before a server starts, and what links look like."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "leaderboard"))
sys.path.insert(0, str(Path(__file__).parent.parent / "preferences"))

from study_pairs import pair_rows
from voting_study import make_voting_study

from stepbench.access.exposure import ACCESS_VARIABLE
from stepbench.access.invitations import Invitations
from stepbench.errors import ExitCode
from stepbench.preferences.study_folder import new_study


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with make_voting_study(tmp_path, real=1, gold=0, practice=0) as study:
        assert study.folder is not None
        return study.folder


def test_invite_prints_a_link_and_lists_and_withdraws_it(stepbench: Callable[..., Any], folder: Path):
    made = stepbench(
        "prefs", "invite", folder, "--annotator", "ann@example.org", "--site", "https://votes.example.org/"
    )
    assert made.code == ExitCode.OK
    link = made.out.strip()
    assert link.startswith("https://votes.example.org/join#sb1.")
    invitations = Invitations(folder)
    cookie, seconds = invitations.accept(link.partition("#")[2])
    assert invitations.visitor(cookie).name == "ann@example.org"
    assert seconds == pytest.approx(7 * 86400, abs=60)
    (row,) = stepbench("prefs", "invite", folder, "--list", "--json").records()
    assert (row["role"], row["withdrawn_at"], row["refused"]) == ("annotator", None, 0)
    assert "ann@example.org" not in str(row)
    assert stepbench("prefs", "invite", folder, "--withdraw", row["id"]).code == ExitCode.OK
    assert invitations.live() == 0
    assert row["id"] in stepbench("prefs", "invite", folder, "--list").out
    (record,) = stepbench("prefs", "invite", folder, "--annotator", "b", "--role", "admin", "--json").records()
    assert record["role"] == "admin"


def test_invite_says_what_it_needs(stepbench: Callable[..., Any], folder: Path, tmp_path: Path):
    for arguments, said in (
        ([folder], "say one of --annotator, --list and --withdraw"),
        ([folder, "--annotator", "a", "--list"], "say one of"),
        ([folder, "--annotator", "a", "--days", "0"], "lasts up to 366 days"),
        ([folder, "--withdraw", "nope"], "no invitation 'nope'"),
        ([tmp_path / "none", "--annotator", "a"], "no folder"),
    ):
        ended = stepbench("prefs", "invite", *arguments)
        assert (ended.code, said in ended.err) == (ExitCode.USAGE, True), ended.err


def test_a_board_has_invitations_too(stepbench: Callable[..., Any], tmp_path: Path):
    made = stepbench("leaderboard", "invite", tmp_path, "--name", "vic")
    invitations = Invitations(tmp_path)
    cookie, _ = invitations.accept(made.out.strip().partition("#")[2])
    assert invitations.visitor(cookie).role == "viewer"


def test_forget_ends_the_invitations_as_well(stepbench: Callable[..., Any], folder: Path):
    invitations = Invitations(folder)
    invitations.invite("ann")
    shown = stepbench("prefs", "vote", folder, "--annotator", "ann")
    assert shown.code == ExitCode.OK
    assert stepbench("prefs", "forget", folder, "ann").code == ExitCode.OK
    assert invitations.live() == 0


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::"])
def test_serve_refuses_addresses_that_others_can_reach(stepbench: Callable[..., Any], folder: Path, address: str):
    ended = stepbench("prefs", "serve", folder, "--address", address)
    assert ended.code == ExitCode.USAGE
    assert f"{address} can be reached from other machines, and there is no invitation" in ended.err


def test_serve_refuses_studies_that_cannot_be_shown_blindly(stepbench: Callable[..., Any], tmp_path: Path):
    for make, said in (
        (lambda: tmp_path / "none", "no study folder"),
        (lambda: _empty(tmp_path / "empty"), "no pairs are planned"),
        (lambda: _named(tmp_path / "named"), "2 of 2 clips are not files in"),
    ):
        ended = stepbench("prefs", "serve", make())
        assert (ended.code, said in ended.err) == (ExitCode.USAGE, True), ended.err


def _empty(folder: Path) -> Path:
    new_study(folder).close()
    return folder


def _named(folder: Path) -> Path:
    with new_study(folder) as study:
        study.add_pairs(pair_rows(1, clip_1="https://cdn/alpha.mp4"))
    return folder


def test_serve_becomes_the_server_and_tells_it_whom_to_let_in(
    stepbench: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
):
    called: list[tuple] = []

    def become(*arguments: Any) -> None:
        called.append(arguments)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.setattr("stepbench.preferences.served.check_port", lambda address, port: None)
    ended = stepbench("prefs", "serve", folder)
    assert ended.err == "", "the server says where it is once it answers"
    ((_, command, environment),) = called
    assert command[1:] == ["-m", "leaderboard.voting_server", "127.0.0.1", "8502"]
    assert environment["STEPBENCH_STUDY"] == str(folder.resolve())
    assert '"way": "local"' in environment[ACCESS_VARIABLE]
    Invitations(folder).invite("ann")
    stepbench("prefs", "serve", folder, "--address", "0.0.0.0")
    assert '"way": "invite"' in called[1][2][ACCESS_VARIABLE]
