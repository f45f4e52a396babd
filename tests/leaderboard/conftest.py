"""Boards for the pages: one of four runs, and the folder of none."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "board"))

import numpy as np
from board_runs import level, make_run

from stepbench.board import build_board
from stepbench.board.read import BOARD_VARIABLE
from stepbench.gate import check
from stepbench.gate.write import write_reports
from stepbench.preferences.formats.votes_table import votes_frame
from stepbench.runs.run import open_run


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board of four runs on six prompts in two languages, two seeds; `last` has a failed and a refused prompt."""
    root = tmp_path_factory.mktemp("board")
    make_run(root / "runs", "best", {"shine": level(5.0, 1), "wobble": level(1.0, 1)})
    make_run(root / "runs", "second", {"shine": level(3.0, 2), "wobble": level(2.0, 2)})
    make_run(root / "runs", "twin", {"shine": level(3.0, 7), "wobble": level(2.0, 7)})
    last = {"shine": level(1.0, 4), "wobble": level(3.0, 4)}
    make_run(root / "runs", "last", last, failed=["p1-en"], refused=["p2-zh"])
    _gate(root / "runs")
    _votes(root)
    (root / "runs" / "torn").mkdir()
    (root / "runs" / "torn" / "run.json").write_text("{", encoding="utf-8")
    return build_board(root / "runs", root / "board", studies=root / "studies").path


def _gate(runs: Path) -> None:
    """`last` has fallen behind `best`."""
    policy = {"alpha": 0.05, "min_coverage": 0.5, "metrics": {"shine": {"margin": 0.1}}}
    result = check(runs / "last", runs / "best", policy)
    write_reports(result, out=runs / "gates" / "last.json")


def _votes(root: Path) -> None:
    """Two people and a program prefer the clips of `best` to those of `second`, more often than not."""
    rng = np.random.default_rng(5)
    made = {name: open_run(root / "runs" / name).samples().set_index("prompt_id") for name in ("best", "second")}
    rows = []
    for prompt in made["best"].index:
        for annotator in ("ann-1", "ann-2", "sim-1"):
            left, right = ("best", "second") if rng.random() < 0.5 else ("second", "best")
            liked = "best" if rng.random() < 0.8 else "second"
            row = {
                "vote_id": f"v-{prompt}-{annotator}",
                "pair_id": f"pair-{prompt}",
                "kind": "real",
                "dimension": "overall",
                "winner": "a" if liked == left else "b",
                "prompt_id": prompt,
                "text": made["best"].text[prompt],
                "language": made["best"].language[prompt],
                "category": made["best"].category[prompt],
                "annotator": annotator,
                "simulated": annotator == "sim-1",
                "propensity": 1.0,
                "started_at": "2026-01-02T03:04:05+00:00",
                "submitted_at": "2026-01-02T03:04:15+00:00",
                "reasons": [],
            }
            for side, run in (("a", left), ("b", right)):
                sample = made[run].loc[prompt]
                row |= {
                    f"model_{side}": f"toy:{run}",
                    f"run_{side}": run,
                    f"seed_{side}": 0,
                    f"sample_key_{side}": sample["sample_key"],
                    f"clip_{side}": sample["clip"],
                    f"clip_sha256_{side}": sample["clip_sha256"],
                    f"frames_{side}": 4,
                    f"fps_{side}": 8.0,
                }
            rows.append(row)
    (root / "studies").mkdir()
    votes_frame(rows).to_parquet(root / "studies" / "taste.parquet")


@pytest.fixture
def shown(board: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The board, as the one that the pages are to show."""
    monkeypatch.setenv(BOARD_VARIABLE, str(board))
    return board


@pytest.fixture(scope="module")
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
