"""The commands of `stepbench prefs`, from a new study to its status, and what each of them refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_runs import toy_run

from stepbench.preferences import Study


@pytest.fixture(scope="module")
def made_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("runs")
    return [toy_run(root, name).folder for name in ("north", "south")]


def test_a_study_from_the_first_command_to_the_last(stepbench: Callable[..., Any], made_runs: list[Path]) -> None:
    made = stepbench("prefs", "new", "studies/april", "--protocol", "pairwise", "--json")
    assert made.code == 0
    (facts,) = made.records()
    assert (facts["study"], facts["protocol"], len(facts["protocol_sha256"])) == ("april", "pairwise", 64)
    planned = stepbench("prefs", "plan", "studies/april", *made_runs, "--votes", 2, "--json")
    assert planned.code == 0
    assert planned.records()[0]["real"] == 6
    assert "planned 6 pairs" in planned.err
    fresh = stepbench("prefs", "status", "studies/april", "--json")  # before the first vote
    assert (fresh.code, fresh.records()[0]["win_rates"]) == (0, [])
    done = stepbench("prefs", "simulate", "studies/april", "--annotators", 5, "--seed", 1, "--json")
    assert (done.code, done.records()[0]["simulated"]) == (0, True)
    status = stepbench("prefs", "status", "studies/april", "--json")
    (record,) = status.records()
    assert status.code == 0
    assert record["progress"]["left"] == 0
    assert record["progress"]["standing_simulated"] == record["progress"]["standing"] >= 12
    assert {row["dimension"] for row in record["agreement"]} == {"overall"}
    assert len(record["quality"]) == 5
    assert record["win_rates"][0]["prompts"] == 6
    shown = stepbench("prefs", "status", "studies/april")
    for title in ("Agreement", "Annotators", "Win rate of model_1 so far"):
        assert f"{title} (SIMULATED VOTES)" in shown.out
    assert "always-valid" in shown.out
    assert "5 annotators, 5 simulated, 0 excluded by rule" in shown.err


def test_one_vote_from_a_script(stepbench: Callable[..., Any], made_runs: list[Path]) -> None:
    stepbench("prefs", "new", "s", "--protocol", "step-video")
    stepbench("prefs", "plan", "s", *made_runs)
    pair = stepbench("prefs", "vote", "s", "--annotator", "ann@host").records()[0]
    assert not {"model_1", "model_2", "kind"} & pair.keys()
    refused = stepbench("prefs", "vote", "s", "--annotator", "ann@host", "--winner", "a")
    assert refused.code == 2
    assert "wants answers to instruction_following" in refused.err
    dimensions = ["instruction_following", "motion_smoothness", "physical_plausibility", "aesthetic_appeal"]
    rates = [word for clip in "ab" for name in dimensions for word in ("--rate", f"{clip}.{name}=4")]
    command = ("prefs", "vote", "s", "--annotator", "ann@host", "--winner", "tie", *rates, "--vote-id", "v1")
    stored = stepbench(*command, "--assignment", pair["assignment_id"], "--json")
    assert stored.records()[0]["stored"] is True
    assert "was stored before" in stepbench(*command, "--assignment", pair["assignment_id"]).err
    again = stepbench(*command)
    assert (again.code, "was stored before" in again.err, len(Study.open("s").votes())) == (0, True, 9)
    assert stepbench(*(word if word != "tie" else "a" for word in command)).code == 2
    assert stepbench("prefs", "vote", "s", "--annotator", "x", "--rate", "beauty=4").code == 2
    assert "CLIP.DIMENSION" in stepbench("prefs", "vote", "s", "--annotator", "x", "--rate", "beauty=4").err
    assert stepbench("prefs", "forget", "s", "ann@host").code == 0
    assert Study.open("s").votes().annotator.str.contains("forgotten").all()


def test_nothing_left_has_its_own_exit_code(stepbench: Callable[..., Any]) -> None:
    Study.create("s", [{"prompt_id": "p", "model_1": "m", "model_2": "n"}], target_votes=1)
    assert stepbench("prefs", "vote", "s", "--annotator", "ann", "--winner", "overall=a").code == 0
    ended = stepbench("prefs", "vote", "s", "--annotator", "ann", "--winner", "a")
    assert (ended.code, "nothing is left" in ended.err) == (5, True)


def test_what_commands_refuse(stepbench: Callable[..., Any], made_runs: list[Path], workplace: Path) -> None:
    for arguments, code, message in [
        (("new", "s", "--protocol", "pairwize"), 2, "did you mean pairwise"),
        (("status", "nowhere"), 2, "no study at"),
        (("plan", "nowhere", *made_runs), 2, "no study at"),
        (("new", "s", "--url-from", "NOT_SET"), 2, "NOT_SET, which is not set"),
    ]:
        ended = stepbench("prefs", *arguments)
        assert (ended.code, message in ended.err) == (code, True), ended.err
    (workplace / "text.sqlite").write_text("no database, but a text of more than a hundred characters. " * 9)
    broken = stepbench("prefs", "status", "text.sqlite")
    assert (broken.code, "is no database of a study: file is not a database" in broken.err) == (2, True), broken.err
    stepbench("prefs", "new", "s")
    other = toy_run(workplace, "other", suite=_other_suite()).folder
    for arguments, code, message in [
        (("new", "s"), 2, "there is a study already"),
        (("plan", "s", made_runs[0]), 2, "two or more different runs"),
        (("plan", "s", made_runs[0], other), 4, "suite hash"),
        (("plan", "s", *made_runs, "--pairs", "7"), 2, "must be from 1 to 6"),
        (("simulate", "s", "--by", "flicker"), 2, "--by takes scores from the study's runs"),
        (("simulate", "s", *made_runs, "--by", "flicker"), 2, "has no metric 'flicker'"),
        (("plan", "s", *made_runs, "--votes", "0"), 2, "votes per pair must be at least 1, got 0"),
        (("simulate", "s", "--annotators", "0"), 2, "at least 1 annotator"),
        (("simulate", "s", "--side-bias", "nan"), 2, "side_bias must be finite, got nan"),
        (("simulate", "s", "--max-votes", "0"), 2, "max_votes must be at least 1, got 0"),
        (("simulate", "s", *made_runs, "--by", "flicker", "--sharpness", "inf"), 2, "sharpness must be finite"),
        (("simulate", "s", "--strength", "m"), 2, "--strength must be MODEL=NUMBER, got 'm'"),
        (("simulate", "s", "--strength", "m=strong"), 2, "--strength must be MODEL=NUMBER, got 'm=strong'"),
        (("forget", "s", "nobody"), 2, "no annotator of this name"),
    ]:
        ended = stepbench("prefs", *arguments)
        assert (ended.code, message in ended.err) == (code, True), ended.err


def test_simulated_strengths_come_from_the_command_line(stepbench: Callable[..., Any]) -> None:
    rows = [{"prompt_id": f"p{n}", "model_1": "m", "model_2": "n"} for n in range(20)]
    Study.create("s", rows)
    assert stepbench("prefs", "simulate", "s", "--strength", "m=9", "--strength", "n=-9", "--tie-share", 0).code == 0
    votes = Study.open("s").votes()
    winner = votes.model_a.where(votes.winner == "a", votes.model_b)
    assert set(winner) == {"m"}
    event = Study.open("s").events().iloc[-1]
    assert json.loads(json.dumps(event.data))["by"] == "strength"


def _other_suite() -> Any:
    from toy_runs import toy_suite

    return toy_suite(text="something else")
