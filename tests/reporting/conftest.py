"""Runs for reports: a baseline, a better one with failures, and one of another suite."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "board"))

from board_runs import NASTY, card, level, make_run

from stepbench.reporting import ExampleOptions, Report, build_report

NASTY_NAME = 'toy:</title><script>alert("name")</script>&_%$#{x}^~\\'
"""A generator's name that must come out everywhere exactly as it went in."""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Six prompts in two languages and two categories, two seeds; `gaps` has failed and refused samples."""
    root = tmp_path_factory.mktemp("runs")
    return {
        "base": make_run(root, "base", {"shine": level(3.0, 1), "wobble": level(2.0, 1)}, seeds=(0, 1)),
        "better": make_run(root, "better", {"shine": level(9.0, 2), "wobble": level(0.5, 2)}, seeds=(0, 1)),
        "gaps": make_run(
            root,
            "gaps",
            {"shine": level(3.0, 3)},
            generator=NASTY_NAME,
            cards=(card("shine"),),
            seeds=(0, 1),
            failed=["p1-en"],
            refused=["p2-zh"],
        ),
        "other": make_run(root, "other", {"shine": level(3.0, 4), "wobble": level(2.0, 4)}, seeds=(0, 5)),
        "bare": make_run(root, "bare", None, seeds=(0, 1)),
    }


@pytest.fixture(scope="session")
def report(runs: dict[str, Path]) -> Report:
    """Three runs, one with gaps, with clips."""
    return build_report([runs[name] for name in ("base", "better", "gaps")], examples=ExampleOptions(count=2))


@pytest.fixture(scope="session")
def nasty() -> tuple[str, str]:
    """The texts that must never be read as markup."""
    return NASTY, NASTY_NAME
