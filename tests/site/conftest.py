"""A small board, made once from runs with hostile names and prompts, and its export."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "board"))

from board_runs import level, make_run, suite
from board_votes import fallen_behind, votes
from hostile_names import EVIL

from stepbench.board import build_board
from stepbench.site import export_site
from stepbench.submissions.withdrawals import withdraw

GEOMETRY = {"frames": 24, "height": 24, "width": 24, "fps": 8}


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs on one suite, one of them withdrawn, one with a failed and a refused prompt; and a broken folder."""
    root = tmp_path_factory.mktemp("site")
    kept: dict = {"on": suite(prompts=4), "geometry": GEOMETRY}
    make_run(root / "runs", "best", {"shine": level(5.0, 1), "wobble": level(1.0, 1)}, **kept)
    make_run(root / "runs", "second", {"shine": level(3.0, 2), "wobble": level(2.0, 2)}, generator=EVIL, **kept)
    last = {"shine": level(1.0, 4), "wobble": level(3.0, 4)}
    make_run(root / "runs", "last", last, failed=["p1-en"], refused=["p2-zh"], **kept)
    withdraw(root / "runs" / "last", "wrong <b>weights</b>")
    (root / "runs" / "broken").mkdir()
    (root / "runs" / "broken" / "run.json").write_text("{")
    fallen_behind(root / "runs")
    votes(root)
    build_board(root / "runs", root / "board", studies=root / "studies")
    return root / "board"


@pytest.fixture(scope="session")
def site(board: Path) -> Path:
    """The export of the board."""
    return export_site(board, board.parent / "site").path
