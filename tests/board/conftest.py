"""A folder of runs made once; tests that change runs take a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from board_runs import level, make_run


@pytest.fixture(scope="session")
def made_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs on one suite: best and second are far apart, second and twin are not, last has gaps."""
    root = tmp_path_factory.mktemp("made") / "runs"
    make_run(root, "best", {"shine": level(5.0, 1), "wobble": level(1.0, 1)})
    make_run(root, "second", {"shine": level(3.0, 2), "wobble": level(2.0, 2)})
    make_run(root, "twin", {"shine": level(3.0, 7), "wobble": level(2.0, 7)})
    last = {"shine": level(1.0, 4), "wobble": level(3.0, 4)}
    make_run(root, "last", last, failed=["p1-en"], refused=["p2-zh"])
    return root


@pytest.fixture
def runs(made_runs: Path, tmp_path: Path) -> Path:
    """A copy of `made_runs` that the test may change."""
    return Path(shutil.copytree(made_runs, tmp_path / "runs"))
