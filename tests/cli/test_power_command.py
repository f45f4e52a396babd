"""`stepbench power`: from figures, from runs, for votes; as a table and as JSON."""

from __future__ import annotations

import re

import pytest

from stepbench.stats import gate_prompts, required_n

RUN = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "-m", "flicker,sharpness"]


@pytest.fixture
def runs(stepbench, make_suite):
    make_suite("one", "two", "three")
    for name in ("a", "b"):
        assert stepbench(*RUN, "--seeds", "0..1", "--run-id", name).code == 0


def test_without_anything_it_prints_the_tables_of_votes(stepbench):
    ended = stepbench("power")
    assert ended.code == 0
    assert "│ 128     │ 12.4    │ 11.1     │ 9.6      │" in ended.out
    assert "│ 5      │ 785     │ 628      │ 471      │" in ended.out
    records = stepbench("power", "--ties", "0.2", "--effect", "0.05", "--seconds", "800", "--json").records()
    assert {"points": 5.0, "ties": 0.2, "votes": 628, "prompts": 628, "hours": 628 * 800 / 3600} in records
    only = stepbench("power", "-n", "128", "--json").records()
    assert [round(record["points"], 1) for record in only if "votes" not in record] == [12.4, 11.1, 9.6]
    repeats = stepbench("power", "--ties", "0.2", "--effect", "0.05", "--votes-per-prompt", "3", "--icc", "0.3")
    assert "1005" in repeats.out
    assert "votes on one prompt agree with one another" in repeats.err


def test_from_figures(stepbench):
    figures = ["power", "--sd", "0.4", "-n", "50", "--effect", "0.1", "--margin", "0.2", "--metrics-in-gate", "5"]
    ended = stepbench(*figures, "--seconds", "36")
    assert ended.code == 0
    assert re.search(rf"│ +128 │ 0\.2 +│ +{gate_prompts(0.2, 0.4, metrics=5):.0f} │", ended.out)
    assert "in a gate of 5 metrics" in ended.err
    assert "hours" in ended.out
    (record,) = stepbench(*figures, "--json").records()
    assert (record["prompts_for_effect"], record["deviation"], record["hours"]) == (required_n(0.1, 0.4), 0.4, None)
    (scores,) = stepbench("power", "--sd", "1", "--icc", "0.5", "--seeds", "4", "--json").records()
    assert scores["deviation"] == pytest.approx(0.5)


def test_from_runs_and_a_policy(stepbench, runs, workplace):
    (workplace / "gate.toml").write_text(
        "[metrics.flicker]\nmargin = 0.1\n[metrics.sharpness]\nrelative_margin = 0.5\n"
    )
    one = {record["metric"]: record for record in stepbench("power", "runs/a", "--json").records()}
    assert set(one) == {"flicker", "sharpness"}
    assert (one["flicker"]["n"], one["flicker"]["clips"]) == (3, 2)
    ended = stepbench("power", "runs/a", "runs/b", "--policy", "gate.toml")
    assert ended.code == 0
    assert "prompts for the gate" in ended.out
    assert "differences between a and b" in ended.out
    assert "in a gate of 2 metrics" in ended.err
    # Equal runs have no spread: two prompts are enough for anything.
    records = stepbench("power", "runs/a", "runs/b", "--policy", "gate.toml", "--json").records()
    assert [record["prompts_for_gate"] for record in records] == [2, 2]
    assert all(record["hours"] > 0 for record in records)
    assert len(stepbench("power", "runs/a", "-m", "flicker", "--effect", "0.01", "--json").records()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--margin", "0.1"], 2, "--margin has no meaning here"),
        (["--policy", "gate.toml"], 2, "gate.toml: cannot be read"),
        (["--sd", "1", "--ties", "0.2"], 2, "--ties has no meaning here"),
        (["--sd", "-1", "--effect", "1"], 2, "must be finite and not negative, got -1"),
        (["--sd", "1", "--effect", "0"], 2, "effect must be finite and not 0, got 0"),
        (["--sd", "1", "--margin", "0"], 2, "a margin must be above 0 to plan for, got 0"),
        (["--sd", "1", "--margin", "1", "--drop", "1"], 2, "a drop is counted in margins and must exceed 1"),
        (["--effect", "5"], 2, "shift must lie between 0 and 0.5, got 5"),
        (["--ties", "1"], 2, r"tie_rate must lie in [0, 1), got 1"),
        (["runs/none"], 2, "runs/none is no run folder"),
    ],
)
def test_mistakes(stepbench, arguments, code, complaint):
    ended = stepbench("power", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert complaint in ended.err


def test_mistakes_with_runs(stepbench, runs, workplace):
    (workplace / "gate.toml").write_text("[metrics.flicker]\nmargin = 0.1\n")
    for arguments, code, complaint in (
        (["--sd", "1"], 2, "--sd has no meaning here"),
        (["-m", "flickr"], 5, "run a has no scores per clip of flickr"),
        (["runs/b", "-m", "flickr"], 5, "metric 'flickr' was scored in neither run"),
        (["--policy", "gate.toml", "--margin", "1"], 2, "--policy and --margin both give margins"),
    ):
        ended = stepbench("power", "runs/a", *arguments)
        assert (ended.code, ended.out) == (code, "")
        assert complaint in ended.err
        assert "hint: " in ended.err
