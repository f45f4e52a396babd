"""The pages without a browser: what they show, and that the address says what they show."""

from __future__ import annotations

import gc
import json
import shutil
from pathlib import Path

import pytest
from altair.utils import schemapi
from board_runs import CATEGORIES, NASTY, level, make_run
from opened_pages import opened, pairs, parameter

from leaderboard.warm_up import warm_up
from stepbench.board import build_board, open_board
from stepbench.board.read import BOARD_VARIABLE


@pytest.mark.parametrize("page", ["", "gallery", "model", "compare", "human", "history", "methods"])
@pytest.mark.parametrize("content", ["missing", "nothing finished", "torn"])
def test_without_a_board_every_page_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, page: str
):
    board = tmp_path / "board"
    if content == "torn":
        board.mkdir()
        (board / "board.json").write_text("{", encoding="utf-8")
    elif content != "missing":
        (tmp_path / "runs").mkdir()
        if content == "nothing finished":
            (tmp_path / "runs" / "torn").mkdir()
            (tmp_path / "runs" / "torn" / "run.json").write_text("{", encoding="utf-8")
        build_board(tmp_path / "runs", board)
    monkeypatch.setenv(BOARD_VARIABLE, str(board))
    app = opened(page)
    assert app.title[0].value in ("Nothing to show yet", "No finished run yet")
    assert f"stepbench leaderboard build --runs runs -o {board}" in app.code[0].value
    assert len(app.expander) == (content == "nothing finished")


def test_overview_shows_every_run_with_mean_interval_rank_and_coverage(shown: Path):
    app = opened()
    assert app.title[0].value == "Leaderboard"
    wide, one = (frame.value for frame in app.dataframe)
    assert wide["", "Generator"].tolist() == ["toy:best", "toy:second", "toy:twin", "toy:last"]
    assert wide["", "Scored"].tolist() == ["20/20", "20/20", "20/20", "18/20"]
    assert wide["", "Prompts"].tolist() == [10] * 4
    assert wide["Shine ↑ (points)", "Rank"].tolist() == ["1", "2–3", "2–3", "4"]
    assert wide["Wobble ↓ (points)", "Rank"].tolist() == ["1", "2–3", "2–3", "4"]
    assert all(text.startswith("[") for text in wide["Shine ↑ (points)", "95 %"])
    assert one["rank"].tolist() == ["1", "2–3", "2–3", "4"]
    assert one["n_failed"].tolist() == [0, 0, 0, 1]
    assert one["n_refused"].tolist() == [0, 0, 0, 1]
    assert len(app.get("vega_lite_chart")) == 2, "the metric, and quality against cost"
    assert len(app.get("download_button")) == 3


def test_overview_explains_how_a_number_came_about(shown: Path):
    app = opened(metric="wobble@1:native")
    texts = " ".join(element.value for element in app.markdown)
    assert "**Formula**: a \\* b\\_c" in texts
    assert "**Blind to**: everything else" in texts
    assert "Holm" in texts
    recipe = json.loads(app.json[0].value)
    assert recipe["generator"] == "toy:best"
    assert recipe["settings"] == {"fps": 8, "frames": 4, "height": 16, "width": 16}
    assert recipe["samples"] == {"planned": 20, "ok": 20, "failed": 0, "refused": 0, "missing": 0}


def test_overview_lists_what_was_left_out(shown: Path):
    app = opened()
    assert "1 run folder is not on the board" in [expander.label for expander in app.expander]
    assert any("**torn** (broken): " in element.value for element in app.markdown)


def test_category_and_language_tabs_cut_the_table_and_stand_in_the_address(shown: Path):
    app = opened()
    assert app.button_group(key="category").options == ["All", "\\*\\*odd\\*\\* \\<b\\>name\\<\\/b\\>", "animals"]
    app.button_group(key="category").set_value("animals").run()
    assert parameter(app, "category") == "animals"
    assert app.dataframe[1].value["scored"].tolist() == ["10/10"] * 3 + ["9/10"]
    app.button_group(key="language").set_value("en").run()
    assert (parameter(app, "category"), parameter(app, "language")) == (None, "en")
    assert app.dataframe[1].value["n_failed"].sum() == 1
    assert app.dataframe[1].value["n_refused"].sum() == 0
    app.button_group(key="language").set_value("").run()
    assert parameter(app, "language") is None


def test_address_opens_the_view_it_names(shown: Path):
    app = opened(metric="wobble@1:native", category=CATEGORIES[1])
    assert app.button_group(key="metric").value == "wobble@1:native"
    assert app.button_group(key="category").value == CATEGORIES[1]
    assert app.subheader[1].value == "Wobble ↓"


def test_address_with_unknown_values_falls_back(shown: Path):
    app = opened(suite="nope", metric="<script>", category="nope", language="xx")
    assert app.button_group(key="metric").value == "shine@1:native"
    assert app.dataframe[1].value["scored"].tolist() == ["20/20"] * 3 + ["18/20"]


def test_runs_without_scores_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_run(tmp_path / "runs", "unscored", limit=2)
    monkeypatch.setenv(BOARD_VARIABLE, str(build_board(tmp_path / "runs", tmp_path / "board").path))
    app = opened()
    assert "has been scored" in app.info[0].value
    assert app.dataframe[0].value["label"].tolist() == ["toy:unscored"]


def test_a_new_board_is_picked_up_and_suites_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    values = {"shine": level(1.0), "wobble": level(2.0)}
    make_run(tmp_path / "runs", "one", values, limit=2)
    make_run(tmp_path / "runs", "two", values, limit=2)
    board = build_board(tmp_path / "runs", tmp_path / "board").path
    monkeypatch.setenv(BOARD_VARIABLE, str(board))
    app = opened()
    assert len(app.dataframe[1].value) == 2
    make_run(tmp_path / "runs", "other", values, limit=3)
    build_board(tmp_path / "runs", board)
    app.run()
    first, second = app.selectbox(key="suite").options
    assert "2 prompts" in first
    assert "3 prompts" in second
    app.selectbox(key="suite").select_index(1).run()
    assert app.dataframe[1].value["label"].tolist() == ["toy:other"]
    assert parameter(app, "suite") is not None
    # Links of the menu carry no parameters.
    del app.query_params["suite"]
    app.switch_page("pages/gallery.py").run()
    assert app.selectbox(key="suite").index == 1, "the gallery opens on the suite last looked at"
    assert parameter(app, "suite") is not None
    # Back, to the address as the menu gave it: completed again, it would lead back here for ever.
    del app.query_params["suite"]
    app.run()
    assert app.selectbox(key="suite").index == 1
    assert parameter(app, "suite") is None


def test_the_back_button_leads_to_the_first_suite_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    values = {"shine": level(1.0), "wobble": level(2.0)}
    for limit in (2, 3):
        make_run(tmp_path / "runs", f"of-{limit}", values, limit=limit)
    monkeypatch.setenv(BOARD_VARIABLE, str(build_board(tmp_path / "runs", tmp_path / "board").path))
    app = opened()
    app.selectbox(key="suite").select_index(1).run()
    del app.query_params["suite"]
    app.run()
    assert app.selectbox(key="suite").index == 0
    assert parameter(app, "suite") is None
    app.button_group(key="metric").set_value(app.button_group(key="metric").value).run()
    assert parameter(app, "suite") is None, "the usual suite is not written into the address"


def test_gallery_pairs_two_runs_by_prompt_and_seed(shown: Path):
    app = opened("gallery", a="best", b="last")
    first = pairs(app)[0]
    assert len(pairs(app)) == 8
    assert first["prompt"] == NASTY
    assert first["language"] == "en"
    assert [side["title"] for side in first["sides"]] == ["A · toy:best", "B · toy:last"]
    for side in first["sides"]:
        assert (side["frames"], side["fps"], side["width"], side["height"]) == (4, 8.0, 16, 16)
        assert (shown / side["url"]).is_file()
    assert [fact["label"] for fact in first["facts"]] == ["Shine\N{NO-BREAK SPACE}↑", "Wobble\N{NO-BREAK SPACE}↓"]
    assert [fact["better"] for fact in first["facts"]] == ["left", "left"]


def test_gallery_shows_failed_and_refused_samples_with_the_reason(shown: Path):
    app = opened("gallery", a="best", b="last")
    reasons = {pair["heading"].split()[0]: pair["sides"][1]["reason"] for pair in pairs(app)}
    assert reasons["p1-en"] == "Failed: RuntimeError: no <b>luck</b>"
    assert reasons["p2-zh"] == "Refused: not <i>this</i> one"
    assert reasons["p0-en"] == ""
    failed = next(pair for pair in pairs(app) if pair["heading"].startswith("p1-en"))
    assert failed["sides"][1]["url"] is None
    assert [fact["right"] for fact in failed["facts"]] == ["–", "–"]


def test_gallery_filters_by_category_language_and_words(shown: Path):
    app = opened("gallery")
    app.selectbox(key="language").set_value("zh").run()
    assert {pair["language"] for pair in pairs(app)} == {"zh"}
    app.selectbox(key="category").set_value("animals").run()
    assert [pair["heading"].split()[0] for pair in pairs(app)] == [f"p{number}-zh" for number in (0, 2, 4, 6, 8)]
    app.selectbox(key="language").set_value("").run()
    app.text_input(key="search").set_value("NUMBER toy 4").run()
    assert [pair["prompt"] for pair in pairs(app)] == ["a toy number 4"]
    assert parameter(app, "search") == "NUMBER toy 4"
    app.text_input(key="search").set_value("<script>").run()
    assert [pair["prompt"] for pair in pairs(app)] == [NASTY]
    app.text_input(key="search").set_value("no such words").run()
    assert pairs(app) == []
    assert "No prompt" in app.info[0].value


def test_gallery_sorts_by_difference_with_unscored_pairs_last(shown: Path):
    app = opened("gallery", a="best", b="last", sort="shine@1:native", page="3")
    assert {pair["heading"].split()[0] for pair in pairs(app)[-2:]} == {"p1-en", "p2-zh"}
    app = opened("gallery", a="best", b="last", sort="shine@1:native")
    gaps = [abs(float(fact["left"]) - float(fact["right"])) for pair in pairs(app) for fact in pair["facts"][:1]]
    assert gaps == sorted(gaps, reverse=True)


def test_gallery_turns_pages_and_a_filter_goes_back_to_the_first(shown: Path):
    app = opened("gallery")
    assert "Pairs 1 to 8 of 20" in app.caption[0].value
    app.get("pagination")[1].set_value(3).run()
    assert parameter(app, "page") == "3"
    assert "Pairs 17 to 20 of 20" in app.caption[0].value
    app.selectbox(key="language").set_value("en").run()
    assert parameter(app, "page") is None
    assert "Pairs 1 to 8 of 10" in app.caption[0].value


@pytest.mark.parametrize(("page", "first"), [("99", 17), ("0", 1), ("-1", 1), ("²", 1), ("x", 1)])
def test_gallery_forgives_page_numbers_in_the_address(shown: Path, page: str, first: int):
    assert f"Pairs {first} to" in opened("gallery", page=page).caption[0].value


def test_gallery_of_a_single_run_shows_it_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_run(tmp_path / "runs", "alone", limit=1)
    monkeypatch.setenv(BOARD_VARIABLE, str(build_board(tmp_path / "runs", tmp_path / "board").path))
    (pair,) = pairs(opened("gallery"))
    assert [side["title"] for side in pair["sides"]] == ["A · toy:alone", "B · toy:alone"]
    assert pair["facts"] == []


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("summary.parquet", b"PAR1 torn", "cannot be read (ArrowInvalid)"),
        ("summary.parquet", None, "is missing"),
        ("runs.parquet", b"", "cannot be read (ArrowInvalid)"),
        ("tables.json", b"[", "cannot be read (JSONDecodeError)"),
    ],
)
def test_a_damaged_board_is_named_with_the_way_out(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None, why: str
):
    copy = Path(shutil.copytree(board, tmp_path / "board"))
    torn = copy / open_board(copy).info["data"] / name
    torn.unlink()
    if content is not None:
        torn.write_bytes(content)
    monkeypatch.setenv(BOARD_VARIABLE, str(copy))
    app = opened()
    assert any(f"{name} {why}." in text.value for text in app.text)
    assert any("stepbench leaderboard build" in code.value for code in app.code)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(schemapi, "disable_debug_mode", lambda: None)
    warm_up()
