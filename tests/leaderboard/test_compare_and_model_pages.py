"""Models alone and against each other, without a browser."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from board_runs import NASTY
from opened_pages import opened, pairs, parameter

from leaderboard import versus
from stepbench.board import open_board
from stepbench.comparison import compare
from stepbench.runs.run import open_run


def test_compare_shows_the_differences_that_the_command_gives(shown: Path):
    app = opened("compare", runs=["second", "best"])
    assert app.multiselect(key="runs").value == ["second", "best"]
    table = app.dataframe[0].value
    expected = compare(open_run(shown.parent / "runs/second"), open_run(shown.parent / "runs/best")).table()
    assert table["mean_b"].tolist() == pytest.approx(expected.mean_b.tolist())
    assert table["verdict"].tolist() == ["b better", "b better"]
    counts = expected[["wins", "ties", "losses"]].astype(str).agg("-".join, axis=1)
    assert table["record"].tolist() == counts.tolist()
    assert table["n"].tolist() == [10, 10]


def test_compare_by_category_has_a_row_per_group(shown: Path):
    app = opened("compare", runs=["best", "second", "last"], cut="category")
    table = app.dataframe[0].value
    assert len(table) == 2 * 2 * 2
    assert set(table["group"]) == {"animals", "**odd** <b>name</b>"}


def test_compare_has_a_matrix_and_the_most_different_prompts(shown: Path):
    app = opened("compare", runs=["best", "second", "last"])
    matrix = app.dataframe[1].value
    assert list(matrix.index) == list(matrix.columns) == ["toy:best", "toy:second", "toy:last"]
    assert matrix.loc["toy:best", "toy:last"].startswith("10-0-0 (p ")
    assert matrix.loc["toy:last", "toy:best"].startswith("0-0-10 (p ")
    assert matrix.loc["toy:best", "toy:best"] == ""
    shown_pairs = pairs(app)
    assert len(shown_pairs) == 4
    assert [side["title"] for side in shown_pairs[0]["sides"]] == ["A · toy:best", "B · toy:second"]
    gaps = [abs(float(fact["left"]) - float(fact["right"])) for pair in shown_pairs for fact in pair["facts"][:1]]
    assert gaps == sorted(gaps, reverse=True)


def test_compare_asks_for_two_runs_and_keeps_the_choice_in_the_address(shown: Path):
    app = opened("compare")
    app.multiselect(key="runs").set_value(["best"]).run()
    assert "two runs" in app.info[0].value
    app.multiselect(key="runs").set_value(["best", "twin"]).run()
    assert app.query_params["runs"] == ["best", "twin"]
    assert not app.info


def test_differences_turn_around_with_the_baseline(shown: Path):
    pairs_table = open_board(shown).pairs(open_board(shown).tables()[0]["table_id"])
    forth = versus.oriented(pairs_table, "best", "last").set_index(["metric_id", "cut", "group"])
    back = versus.oriented(pairs_table, "last", "best").set_index(["metric_id", "cut", "group"])
    assert (forth.difference == -back.difference).all()
    assert (forth.low == -back.high).all()
    assert forth.wins.tolist() == back.losses.tolist()
    assert {"a better"} == set(forth.verdict[forth.index.get_level_values("cut") == "all"])
    assert {"b better"} == set(back.verdict[back.index.get_level_values("cut") == "all"])


@pytest.mark.parametrize(("p", "text"), [(float("nan"), "–"), (1e-5, "<0.0001"), (0.0123, "0.012"), (1.0, "1")])
def test_p_is_never_zero(p: float, text: str):
    assert versus.p_text(p) == text


def test_model_page_has_card_scores_cost_and_extreme_clips(shown: Path):
    app = opened("model", run="last")
    texts = " ".join(element.value for element in app.markdown)
    assert "**Checked**: self\\-reported" in texts
    assert "**Seconds per clip**" in texts
    scores = app.dataframe[0].value
    assert scores["Metric"].tolist() == ["Shine ↑", "Wobble ↓"]
    assert scores["Rank"].tolist() == ["4", "4"]
    assert scores["Scored"].tolist() == ["18/20", "18/20"]
    assert {"All", "animals", "en", "zh"} <= set(scores.columns)
    best, worst = pairs(app)[0]["sides"]
    assert best["title"].startswith("Best 1 · ")
    assert float(best["title"].split(" · ")[-1]) > float(worst["title"].split(" · ")[-1])


def test_model_page_orders_extremes_by_the_direction_of_the_metric(shown: Path):
    app = opened("model", run="best", sort="wobble@1:native")
    values = [[float(side["title"].split(" · ")[-1]) for side in pair["sides"]] for pair in pairs(app)]
    assert all(best < worst for best, worst in values)
    assert [best for best, _ in values] == sorted(best for best, _ in values)


def test_model_page_keeps_strangers_texts_as_they_are(shown: Path):
    app = opened("model", run="best", sort="shine@1:native")
    for element in app.markdown:
        assert NASTY not in element.value
    app.selectbox(key="run").set_value("twin").run()
    assert parameter(app, "run") == "twin"


def test_groups_come_first_in_the_chart_that_cuts_long_names():
    labels = {"b": "step-video:tiny (a-run-of-a-long-name)", "c": "other"}
    rows = pd.DataFrame({"run_b": ["b", "b"], "group": ["animals", "people"]})
    assert versus.line_names(rows, labels) == ["animals", "people"]
    assert versus.line_names(rows.assign(run_b=["b", "c"]), labels)[1] == "people · other"
    assert versus.line_names(rows.assign(group=""), labels) == [labels["b"]] * 2
