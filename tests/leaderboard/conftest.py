"""Boards for the pages: one of four runs, and the folder of none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "board"))
sys.path.insert(0, str(Path(__file__).parent.parent / "submissions"))

from board_runs import level, make_run
from board_votes import fallen_behind, votes

from stepbench.board import build_board
from stepbench.board.read import BOARD_VARIABLE


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board of four runs on six prompts in two languages, two seeds; `last` has a failed and a refused prompt."""
    root = tmp_path_factory.mktemp("board")
    make_run(root / "runs", "best", {"shine": level(5.0, 1), "wobble": level(1.0, 1)})
    make_run(root / "runs", "second", {"shine": level(3.0, 2), "wobble": level(2.0, 2)})
    make_run(root / "runs", "twin", {"shine": level(3.0, 7), "wobble": level(2.0, 7)})
    last = {"shine": level(1.0, 4), "wobble": level(3.0, 4)}
    make_run(root / "runs", "last", last, failed=["p1-en"], refused=["p2-zh"])
    fallen_behind(root / "runs")
    votes(root)
    (root / "runs" / "torn").mkdir()
    (root / "runs" / "torn" / "run.json").write_text("{", encoding="utf-8")
    return build_board(root / "runs", root / "board", studies=root / "studies").path


@pytest.fixture
def shown(board: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The board, as the one that the pages are to show."""
    monkeypatch.setenv(BOARD_VARIABLE, str(board))
    return board
