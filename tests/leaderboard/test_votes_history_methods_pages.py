"""People's votes, runs over time and how numbers are made, without a browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from opened_pages import opened

from leaderboard import data, timelines


def test_votes_are_rated_and_simulated_ones_are_labelled(shown: Path):
    app = opened("human")
    assert "Simulated: 20 of 60 judgements" in app.warning[0].value
    ratings = app.dataframe[0].value
    assert ratings["label"].tolist() == ["toy:best", "toy:second"]
    assert ratings["votes"].tolist() == [60, 60]
    assert all(text.startswith("[") for text in ratings["interval"])
    duels = app.dataframe[1].value
    assert duels["record"][0].split("-")[1] == "0"
    assert "%" in duels["win_rate"][0]


def test_votes_show_agreement_of_people_and_of_metrics(shown: Path):
    app = opened("human")
    titles = [element.value for element in app.subheader]
    assert {"How far annotators agree", "Which metric predicts these votes"} <= set(titles)
    tables = {tuple(frame.value.columns)[:2]: frame.value for frame in app.dataframe}
    assert "Krippendorff's alpha" in set(tables["dimension", "judgement"]["coefficient"])
    assert set(tables["dimension", "metric"]["metric"]) == {"Shine ↑", "Wobble ↓"}
    annotators = tables["annotator", "model"]
    assert {"ann-1", "ann-2", "sim-1 (simulated)"} == set(annotators["annotator"])


def test_a_study_that_cannot_be_rated_says_why(shown: Path, monkeypatch: pytest.MonkeyPatch):
    board = data.current_board()
    broken = replace(board, studies=[{**board.studies[0], "problem": "no <b>vote</b> counts"}])
    monkeypatch.setattr(data, "current_board", lambda: broken)
    app = opened("human")
    assert "no \\<b\\>vote\\<\\/b\\> counts" in app.warning[0].value


def test_history_has_a_timeline_and_the_verdicts_of_gates(shown: Path):
    app = opened("history")
    assert len(app.get("vega_lite_chart")) == 1
    runs = app.dataframe[0].value
    assert dict(zip(runs["run"], runs["verdict"], strict=True)) == {
        "best": "",
        "second": "",
        "twin": "",
        "last": "regression",
    }
    gates = app.dataframe[1].value
    assert gates[["said", "candidate", "baseline"]].to_numpy().tolist() == [["regression", "last", "best"]]
    assert "Shine ↑: regression" in gates["metrics"][0]
    assert gates["reasons"][0]


def test_history_shows_the_generators_asked_for(shown: Path):
    app = opened("history", generator=["toy:best", "nobody"])
    assert app.dataframe[0].value["run"].tolist() == ["best"]


def test_last_verdict_is_that_of_the_newest_gate():
    gates = [{"candidate": {"run": "r"}, "verdict": verdict} for verdict in ("regression", "pass")]
    assert timelines.last_verdicts(gates) == {"r": "pass"}


def test_methods_show_every_card_and_can_be_searched(shown: Path):
    app = opened("methods")
    assert [expander.label for expander in app.expander] == ["toys · Shine", "toys · Wobble"]
    texts = " ".join(element.value for element in app.markdown)
    assert "**Formula**: a \\* b\\_c" in texts
    assert "Bradley-Terry" in texts
    app.text_input(key="find").set_value("wobble toys").run()
    assert [expander.label for expander in app.expander] == ["toys · Wobble"]
    app.text_input(key="find").set_value("nothing like it").run()
    assert "No metric" in app.info[0].value


@pytest.mark.parametrize(
    ("language", "title"), [("ja", "ランキング"), ("zh", "排行榜"), ("en", "Leaderboard"), ("<script>", "Leaderboard")]
)
def test_pages_speak_the_language_of_the_address(shown: Path, language: str, title: str):
    assert opened(lang=language).title[0].value == title


def test_the_language_is_kept_on_other_pages(shown: Path):
    app = opened(lang="ja")
    app.query_params.clear()
    app.switch_page("pages/methods.py").run()
    assert app.title[0].value == "算出方法"
