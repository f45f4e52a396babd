"""Rows of the overview: one line per run whatever was scored, and filters by words; warming up without a board."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from altair.utils import schemapi

from leaderboard.rows import Filters, filtered, wide
from leaderboard.warm_up import warm_up
from stepbench.board.read import BOARD_VARIABLE

FRAME = pd.DataFrame(
    [
        ("a", "up", 5, 1.0, 1.0),
        ("a", "down", 3, 2.0, np.nan),
        ("b", "down", 4, 3.0, np.nan),
        ("c", "up", 2, 4.0, 2.0),
        ("c", "down", 2, 5.0, np.nan),
    ],
    columns=["run", "metric_id", "n_scored", "mean", "rank_low"],
).assign(
    label=lambda frame: "model " + frame.run,
    n_units=lambda frame: frame.n_scored,
    scored=lambda frame: frame.n_scored.astype(str) + "/5",
    coverage=lambda frame: frame.n_scored / 5,
    interval=lambda frame: "[" + frame["mean"].astype(str) + "]",
    rank=lambda frame: frame.rank_low.map(lambda low: "" if np.isnan(low) else f"{low:.0f}"),
)
RUNS = pd.DataFrame(
    {
        "run": ["a", "b", "c"],
        "label": ["model a", "model b", "model c"],
        "generator": ["Alpha", "Beta", "Alpha"],
        "licence": ["MIT", None, "MIT"],
        "description": ["Fast one", None, "slow one"],
        "badge": ["verified", "self-reported", "self-reported"],
    }
).set_index("run", drop=False)


def test_a_wide_row_stands_for_each_run_in_the_order_given_with_its_fewest_scores():
    found = wide(FRAME, {"up": "Up", "down": "Down", "other": "Other"}, ["c", "a"], {"Checked": RUNS.badge})
    assert list(found.index) == ["c", "a", "b"]
    assert list(found.columns) == [
        ("", "Generator"),
        ("", "Checked"),
        ("", "Prompts"),
        ("", "Scored"),
        ("Up", "mean"),
        ("Up", "95 %"),
        ("Up", "rank"),
        ("Down", "mean"),
        ("Down", "95 %"),
    ]
    assert list(found[("", "Generator")]) == ["model c", "model a", "model b"]
    assert list(found[("", "Checked")]) == ["self-reported", "verified", "self-reported"]
    assert list(found[("", "Scored")]) == ["2/5", "3/5", "4/5"]
    assert found[("Up", "mean")].tolist()[:2] == [4.0, 1.0]
    assert found.loc["b", "Up"].isna().all()
    assert list(found[("Down", "95 %")]) == ["[5.0]", "[2.0]", "[3.0]"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(generators=[], licences=[], text="  "), "abc"),
        (Filters(text="ALPHA one"), "ac"),
        (Filters(text="verified"), "a"),
        (Filters(text="alpha verified slow"), ""),
        (Filters(licences=[""]), "b"),
        (Filters(generators=["Alpha"], coverage=0.6), "a"),
    ],
)
def test_filters_keep_whole_runs(filters: Filters, expected: str):
    found = filtered(FRAME, RUNS, filters)
    assert list(found.run.unique()) == list(expected)
    assert len(found) == FRAME.run.isin(list(expected)).sum()


def test_a_server_warms_up_with_a_board_and_without(board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    try:
        for folder in (board, tmp_path):
            monkeypatch.setenv(BOARD_VARIABLE, str(folder))
            warm_up()
            assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        schemapi.enable_debug_mode()
