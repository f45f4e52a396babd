"""`stepbench leaderboard check` and `withdraw` as people call them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stepbench.errors import ExitCode, UsageError
from stepbench.submissions.withdrawals import read_withdrawals, withdraw


def test_check_prints_its_verdict(stepbench: Callable[..., Any], place: Path, tmp_path: Path):
    run = place / "runs" / "stripes"
    ended = stepbench(
        "leaderboard", "check", run, "-t", place / "mini", "--rescore", 1, "-o", tmp_path / "verdict.json"
    )
    assert ended.code == ExitCode.OK
    assert "stripes: reproduced" in ended.err
    assert (tmp_path / "verdict.json").read_text().startswith("{")
    (record,) = stepbench("leaderboard", "check", run, "-t", place / "mini", "--rescore", 0, "--json").records()
    assert (record["badge"], record["run_id"]) == ("self-reported", "stripes")


def test_check_has_its_exit_codes(stepbench: Callable[..., Any], place: Path):
    run = place / "runs" / "stripes"
    ended = stepbench("leaderboard", "check", run, "--rescore", 0)
    assert ended.code == ExitCode.INCOMPLETE
    assert "no badge, a check failed" in ended.err
    (run / "run.json").write_text('{"schema": NaN}')
    ended = stepbench("leaderboard", "check", run)
    assert ended.code == ExitCode.USAGE
    assert "NaN is no number" in ended.err


def test_withdrawals_are_journalled(stepbench: Callable[..., Any], place: Path):
    runs = place / "runs"
    shutil.copytree(runs / "stripes", runs / "other")
    assert stepbench("leaderboard", "withdraw", runs / "stripes", "--why", "wrong\n weights <b>").code == ExitCode.OK
    assert read_withdrawals(runs) == {"stripes": "wrong weights <b>"}
    withdraw(runs / "stripes", "they were right", back=True)
    assert read_withdrawals(runs) == {}
    assert len((runs / "withdrawals.jsonl").read_text().splitlines()) == 2
    with pytest.raises(UsageError, match="other is not withdrawn"):
        withdraw(runs / "other", "never was", back=True)
    with pytest.raises(UsageError, match="--why takes 1 to 1000 characters, got 0"):
        withdraw(runs / "other", "  ")
    assert stepbench("leaderboard", "withdraw", place, "--why", "no run").code == ExitCode.USAGE


def test_a_withdrawn_run_stays_on_the_board_with_the_reason(place: Path, tmp_path: Path):
    from stepbench.board import build_board, open_board

    runs = place / "runs"
    build_board(runs, tmp_path / "board")
    withdraw(runs / "stripes", "wrong weights")
    built = build_board(runs, tmp_path / "board")
    assert not built.unchanged
    (row,) = open_board(tmp_path / "board").runs().to_dict(orient="records")
    assert (row["on_board"], row["withdrawn"]) == (True, "wrong weights")
    assert row["label"].endswith("(withdrawn)")
