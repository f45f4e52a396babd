"""What may stand in one table, and what the tables say."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from board_runs import CATEGORIES, NASTY, card, level, make_run, suite

from stepbench.board import build_board, open_board
from stepbench.board.tables import row_labels

TWO = {"shine": level(1.0), "wobble": level(2.0)}


def test_summary_has_means_intervals_ranks_and_coverage_of_every_cut(made_runs: Path, tmp_path: Path):
    built = build_board(made_runs, tmp_path / "board")
    board = open_board(tmp_path / "board")
    assert built.runs == ("best", "last", "second", "twin")
    assert (built.tables, built.left_out, built.unchanged) == (1, (), False)
    summary = board.summary()
    assert set(summary.cut) == {"all", "category", "language"}
    assert set(summary[summary.cut == "category"].group) == set(CATEGORIES)
    assert set(summary[summary.cut == "language"].group) == {"en", "zh"}
    shine = summary[(summary.cut == "all") & (summary.metric_id == "shine@1:native")].set_index("run")
    assert shine.loc["best", ["rank_low", "rank_high"]].tolist() == [1, 1]
    assert shine.loc["second", ["rank_low", "rank_high"]].tolist() == [2, 3]
    assert shine.loc["twin", ["rank_low", "rank_high"]].tolist() == [2, 3]
    assert shine.loc["last", ["rank_low", "rank_high"]].tolist() == [4, 4]
    assert (shine.low < shine["mean"]).all()
    assert (shine["mean"] < shine.high).all()
    # Ten prompts in two languages, which are one unit; one prompt failed in one language, another was refused in one.
    assert shine.loc["last", ["n_planned", "n_scored", "n_failed", "n_refused"]].tolist() == [20, 18, 1, 1]
    assert shine.loc["last", "coverage"] == pytest.approx(18 / 20)
    assert shine.n_units.tolist() == [10, 10, 10, 10]
    wobble = summary[(summary.cut == "all") & (summary.metric_id == "wobble@1:native")].set_index("run")
    assert wobble.loc["best", ["rank_low", "rank_high"]].tolist() == [1, 1], "lower is better"


def test_means_equal_those_of_the_run_itself(made_runs: Path, tmp_path: Path):
    build_board(made_runs, tmp_path / "board")
    summary = open_board(tmp_path / "board").summary()
    rows = [json.loads(line) for line in (made_runs / "best/scores/shine@1:native.jsonl").read_text().splitlines()]
    shown = summary[(summary.run == "best") & (summary.cut == "all") & (summary.metric_id == "shine@1:native")]
    assert shown["mean"].item() == pytest.approx(np.mean([row["value"] for row in rows]))


@pytest.mark.parametrize(
    "other",
    [
        {"on": suite("others")},
        {"on": suite(prompts=4)},
        {"limit": 4},
        {"seeds": (0, 1)},
        {"geometry": {"frames": 5, "height": 16, "width": 16, "fps": 8}},
        {"geometry": {"frames": 4, "height": 16, "width": 16, "fps": 8, "negative_prompt": "blur"}},
    ],
    ids=["suite", "suite content", "prompts", "seeds", "clip length", "negative prompt"],
)
def test_runs_that_must_not_be_compared_stand_in_different_tables(tmp_path: Path, other: dict):
    make_run(tmp_path / "runs", "one", TWO)
    make_run(tmp_path / "runs", "other", TWO, **other)
    built = build_board(tmp_path / "runs", tmp_path / "board")
    summary = open_board(built.path).summary()
    assert built.tables == 2
    assert (summary.groupby("table_id").run.nunique() == 1).all()
    assert (summary.n_ranked == 1).all()


def test_equal_clip_rates_written_differently_share_a_table(tmp_path: Path):
    make_run(tmp_path / "runs", "whole", TWO)
    make_run(tmp_path / "runs", "point", TWO, geometry={"frames": 4, "height": 16, "width": 16, "fps": 8.0})
    assert build_board(tmp_path / "runs", tmp_path / "board").tables == 1


def test_scores_of_different_metric_ids_are_never_ranked_together(tmp_path: Path):
    make_run(tmp_path / "runs", "old", TWO, cards=[card("shine", version=1)])
    make_run(tmp_path / "runs", "new", TWO, cards=[card("shine", version=2)])
    board = open_board(build_board(tmp_path / "runs", tmp_path / "board").path)
    assert [table["metric_ids"] for table in board.tables()] == [["shine@2:native", "shine@1:native"]]
    assert (board.summary().n_ranked == 1).all()
    assert set(board.cards()) == {"shine@1:native", "shine@2:native"}


def test_metrics_without_a_better_direction_have_no_rank(tmp_path: Path):
    make_run(tmp_path / "runs", "one", TWO, cards=[card("shine", "neutral")])
    summary = open_board(build_board(tmp_path / "runs", tmp_path / "board").path).summary()
    assert summary.rank_low.isna().all()
    assert summary["mean"].notna().all()


def test_generators_with_several_runs_are_told_apart_by_run(tmp_path: Path):
    make_run(tmp_path / "runs", "monday", TWO, generator="toy:same")
    make_run(tmp_path / "runs", "tuesday", TWO, generator="toy:same")
    make_run(tmp_path / "runs", "alone", TWO)
    runs = open_board(build_board(tmp_path / "runs", tmp_path / "board").path).runs().set_index("run")
    assert runs.label.to_dict() == {
        "alone": "toy:alone",
        "monday": "toy:same (monday)",
        "tuesday": "toy:same (tuesday)",
    }


def test_runs_without_scores_stand_on_the_board_without_numbers(tmp_path: Path):
    make_run(tmp_path / "runs", "unscored")
    board = open_board(build_board(tmp_path / "runs", tmp_path / "board").path)
    assert board.runs().on_board.tolist() == [True]
    assert board.summary().empty
    assert board.tables()[0]["metric_ids"] == []


def test_texts_of_strangers_arrive_as_they_are(made_runs: Path, tmp_path: Path):
    build_board(made_runs, tmp_path / "board")
    board = open_board(tmp_path / "board")
    part = board.runs().set_index("run").part["last"]
    samples = board.samples(part).set_index(["prompt_id", "seed"])
    assert samples.text["p0-en", 0] == NASTY
    assert samples.error["p1-en", 0] == "RuntimeError: no <b>luck</b>"
    assert samples.error["p2-zh", 0] == "not <i>this</i> one"
    assert samples.outcome["p2-zh", 0] == "refused"
    scores = board.scores(part)
    assert len(scores) == 36
    assert (scores.status == "ok").all()


def test_labels_are_short_lines_that_differ_whatever_a_generator_is_called():
    named = {"r1": "x", "r2": "x", "r3": "x (r1)", "r4": "M" * 5000, "r5": "M" * 6000, "r6": "two\n\nlines  and more"}
    labels = row_labels({run: SimpleNamespace(facts={"generator": name}) for run, name in named.items()})  # type: ignore[arg-type]
    assert labels["r2"] == "x (r2)"
    assert labels["r6"] == "two lines and more"
    assert labels["r4"] == f"{'M' * 79}… (r4)"
    assert len(set(labels.values())) == len(named), labels
