"""`stepbench leaderboard build` and the checks before `serve`."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from served_pages import free_port

from stepbench.board import serve
from stepbench.errors import ExitCode


def test_build_says_what_is_on_the_board_and_what_is_not(stepbench: Callable[..., Any], runs: Path, tmp_path: Path):
    (runs / "twin" / "run.json").write_text("{", encoding="utf-8")
    ended = stepbench("leaderboard", "build", "--runs", runs, "-o", tmp_path / "board")
    assert ended.code == ExitCode.OK
    assert "runs: 3, tables: 1, clips: 58, left out: 1" in ended.err
    assert "twin" in ended.out
    assert "not JSON" in ended.out
    again = stepbench("leaderboard", "build", "--runs", runs, "-o", tmp_path / "board")
    assert "nothing had changed" in again.err


def test_build_speaks_json(stepbench: Callable[..., Any], runs: Path, tmp_path: Path):
    (runs / "twin" / "run.json").write_text("{", encoding="utf-8")
    (record,) = stepbench("leaderboard", "build", "--runs", runs, "-o", tmp_path / "board", "--json").records()
    assert record["runs"] == ["best", "last", "second"]
    assert [item["run"] for item in record["left_out"]] == ["twin"]
    assert (record["tables"], record["unchanged"]) == (1, False)


def test_build_errors_have_their_exit_codes(stepbench: Callable[..., Any], runs: Path, tmp_path: Path):
    assert stepbench("leaderboard", "build", "--runs", tmp_path / "nowhere").code == ExitCode.USAGE
    assert stepbench("leaderboard", "build", "--runs", runs, "-o", runs).code == ExitCode.USAGE
    ended = stepbench("leaderboard", "build", "--runs", runs, "--suite", "others", "-o", tmp_path / "board")
    assert ended.code == ExitCode.NOTHING_SELECTED
    assert "others" in ended.err


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_serve_refuses_addresses_that_others_can_reach(stepbench: Callable[..., Any], address: str):
    ended = stepbench("leaderboard", "serve", "--address", address)
    assert ended.code == ExitCode.USAGE
    assert f"{address} can be reached from other machines, and there is no invitation" in ended.err


def test_serve_refuses_a_port_that_is_taken(stepbench: Callable[..., Any]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = stepbench("leaderboard", "serve", "--port", port)
    assert ended.code == ExitCode.USAGE
    assert f"cannot listen on 127.0.0.1:{port}" in ended.err
    assert f"--port, such as {port + 1}" in ended.err


def test_serve_becomes_the_server_and_names_the_board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    called: list[tuple] = []

    def become(*arguments: Any) -> None:
        called.append(arguments)
        raise SystemExit

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        serve.serve_board("board", port=free_port())
    ((program, command, environment),) = called
    assert program == sys.executable == command[0]
    assert command[1:3] == ["-m", "leaderboard.server"]
    assert environment["STEPBENCH_BOARD"] == str(tmp_path / "board")
