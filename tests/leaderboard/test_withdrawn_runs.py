"""Runs that were taken back stay in sight, struck through with the reason, and count in no rank and no scale."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_runs import level, make_run
from opened_pages import opened, pairs

from leaderboard.withdrawn import STRIKE
from stepbench.board import build_board, open_board
from stepbench.board.read import BOARD_VARIABLE
from stepbench.submissions.withdrawals import withdraw

WHY = "wrong <b>weights</b>"
STRUCK = "".join(letter + STRIKE for letter in "toy:gone") + " (withdrawn)"
TOLD = f"~~toy\\:gone~~ was withdrawn ({WHY})".replace("<", "\\<").replace(">", "\\>").replace("/", "\\/")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs; the one with the most extreme values is withdrawn."""
    root = tmp_path_factory.mktemp("withdrawn") / "runs"
    make_run(root, "gone", {"shine": level(9.0, 3), "wobble": level(0.1, 3)})
    make_run(root, "one", {"shine": level(5.0, 1), "wobble": level(1.0, 1)})
    make_run(root, "two", {"shine": level(3.0, 2), "wobble": level(2.0, 2)})
    withdraw(root / "gone", WHY)
    return root


@pytest.fixture(scope="module")
def with_withdrawn(runs: Path) -> Path:
    return build_board(runs, runs.parent / "board").path


@pytest.fixture(autouse=True)
def shown(with_withdrawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BOARD_VARIABLE, str(with_withdrawn))


def test_ranks_are_those_of_a_board_without_the_run(runs: Path, with_withdrawn: Path, tmp_path: Path):
    (tmp_path / "runs").mkdir()
    for name in ("one", "two"):
        (tmp_path / "runs" / name).symlink_to(runs / name)
    without = open_board(build_board(tmp_path / "runs", tmp_path / "board").path).summary()
    summary = open_board(with_withdrawn).summary()
    keys, ranks = ["run", "metric_id", "cut", "group"], ["rank_low", "rank_high", "n_ranked"]
    standing = summary[summary.run != "gone"].set_index(keys)[ranks].sort_index()
    assert standing.equals(without.set_index(keys)[ranks].sort_index())
    gone = summary[summary.run == "gone"]
    assert gone.rank_low.isna().all()
    assert gone["mean"].notna().all()


def test_overview_strikes_it_through_below_the_others(with_withdrawn: Path):
    app = opened(weight="1:shine@1:native")
    every, metric, scores = (frame.value for frame in app.dataframe)
    assert every.iloc[-1, 0] == STRUCK
    assert metric["label"].tolist() == ["toy:one", "toy:two", STRUCK]
    assert metric["rank"].tolist()[-1] == ""
    assert TOLD in app.warning[0].value
    # The scale of the weighted score ends at the runs that stand.
    assert dict(zip(scores["run"], scores["mean"], strict=True)) == {"one": 1.0, "two": 0.0}


def test_model_page_says_why(with_withdrawn: Path):
    app = opened("model", run="gone")
    assert STRIKE in app.subheader[0].value
    assert TOLD in app.warning[0].value
    assert opened("model").subheader[0].value == "toy\\:one"


def test_compare_and_gallery_start_with_runs_that_stand(with_withdrawn: Path):
    app = opened("compare")
    assert app.multiselect(key="runs").value == ["one", "two"]
    assert not app.warning
    app = opened("compare", runs=["one", "gone"])
    assert TOLD in app.warning[0].value
    assert app.dataframe[0].value["label"].tolist()[0] == STRUCK
    app = opened("gallery")
    assert [app.selectbox(key=key).value for key in "ab"] == ["one", "two"]
    app.selectbox(key="b").set_value("gone").run()
    assert TOLD in app.warning[0].value
    assert pairs(app)[0]["sides"][1]["title"] == f"B · {STRUCK}"


def test_history_keeps_it_in_the_line(with_withdrawn: Path):
    app = opened("history", lang="ja")
    assert STRUCK.replace("withdrawn", "取り下げ") in app.dataframe[0].value["label"].tolist()
    assert "取り下げられました" in app.warning[0].value
