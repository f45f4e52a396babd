"""How both servers begin and end: what they say, when, and with which exit code."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.runtime.pages_manager import PagesManager

from leaderboard.serving import run, until_interrupted
from leaderboard.voting_server import greeting
from stepbench.access.exposure import Access, to_environment
from stepbench.access.invitations import Invitations
from stepbench.errors import ExitCode


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """SIGTERM as it was."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_server_still_imports_ends_it_without_a_word(
    sent: signal.Signals, capsys: pytest.CaptureFixture[str]
):
    until_interrupted(lambda address, port: signal.raise_signal(sent), "127.0.0.1", 8501)
    assert capsys.readouterr().err == ""


def test_a_port_taken_since_the_command_looked_is_named_and_no_address_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    for name, value in to_environment(Access(way="local")).items():
        monkeypatch.setenv(name, value)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        def serve(address: str, port: int) -> None:
            run("app.py", [], tmp_path, address, port, named=False, greet=lambda access: "here it is")

        with pytest.raises(SystemExit) as ended:
            until_interrupted(serve, "127.0.0.1", port)
    assert ended.value.code == ExitCode.USAGE
    said = capsys.readouterr().err
    assert f"stepbench: cannot listen on 127.0.0.1:{port}: Address already in use" in said
    assert f"--port, such as {port + 1}" in said
    assert "here it is" not in said
    assert PagesManager.uses_pages_directory is False, "no page is run past the frame"


def test_the_organiser_is_invited_where_a_local_name_is_enough_and_nowhere_else(tmp_path: Path):
    first, second = greeting(tmp_path, "http://127.0.0.1:8502", Access(way="local")).splitlines()
    assert first == "voting on http://127.0.0.1:8502 (Ctrl-C ends it)"
    assert "organiser's page" in second
    assert "http://127.0.0.1:8502/join#sb1." in second
    assert Invitations(tmp_path).live() == 1
    assert greeting(tmp_path, "http://h:1", Access(way="invite")) == "voting on http://h:1 (Ctrl-C ends it)"
    assert Invitations(tmp_path).live() == 1
