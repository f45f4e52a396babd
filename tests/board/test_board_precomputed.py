"""What a build adds to the runs: pairs, gates, studies, badges, costs and known problems."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stepbench.board import build_board, open_board
from stepbench.board.advisories import Advisory, advisories_of, read_advisories
from stepbench.board.badges import badge_of
from stepbench.board.gates import read_gates
from stepbench.board.pairs import compared_runs
from stepbench.board.studies import fingerprint, study_places, study_record
from stepbench.errors import ExitCode, UsageError


def test_pairs_are_made_once_and_kept_while_both_runs_stand(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    board = build_board(runs, tmp_path / "board").path
    table = open_board(board).tables()[0]
    pairs = open_board(board).pairs(table["table_id"])
    names = list(table["compared"])
    assert len(pairs.drop_duplicates(["run_a", "run_b"])) == len(names) * (len(names) - 1) // 2
    assert set(pairs.cut) == {"all", "category", "language"}
    made = {path.name for path in (board / "pairs").iterdir()}

    def never(*_: Any) -> None:
        raise AssertionError("a pair was compared again")

    monkeypatch.setattr("stepbench.board.pairs._compared", never)
    build_board(runs, tmp_path / "board", gates=tmp_path)
    (runs / names[0] / "verification.json").write_text('{"badge": "verified"}', encoding="utf-8")
    build_board(runs, tmp_path / "board")
    assert {path.name for path in (board / "pairs").iterdir()} == made
    assert dict(open_board(board).runs().set_index("run").badge)[names[0]] == "verified"


def test_large_tables_compare_their_best_runs_alone(runs: Path, tmp_path: Path):
    board = open_board(build_board(runs, tmp_path / "board", compared=2).path)
    table = board.tables()[0]
    assert len(table["compared"]) == 2
    assert "best" in table["compared"]
    assert "last" not in table["compared"]
    assert len(table["runs"]) > 2
    everything = board.summary(table["table_id"])
    assert compared_runs(everything, table["runs"], 99) == table["runs"]


def test_runs_without_common_scores_have_a_problem_and_no_numbers(made_runs: Path, tmp_path: Path):
    from board_runs import level, make_run

    make_run(tmp_path / "runs", "one", {"shine": level(1.0), "wobble": level(2.0)}, limit=2)
    make_run(tmp_path / "runs", "two", limit=2)
    board = open_board(build_board(tmp_path / "runs", tmp_path / "board").path)
    (row,) = board.pairs(board.tables()[0]["table_id"]).to_dict(orient="records")
    assert "no scored prompt" in row["problem"] or "metric" in row["problem"]


def test_the_summary_is_read_by_cut_and_has_words(runs: Path, tmp_path: Path):
    board = open_board(build_board(runs, tmp_path / "board").path)
    table = board.tables()[0]["table_id"]
    english = board.summary(table, cut="language", group="en")
    assert set(english["group"]) == {"en"}
    assert english.interval.str.startswith("[").all()
    assert board.summary(table, run="best").run.unique().tolist() == ["best"]
    covariances = board.covariances(table, cut="all", group="")
    assert all(len(row) == 3 for row in covariances.covariance), "two metrics have three covariances"


def test_costs_are_those_of_the_run_and_absent_is_absent(runs: Path, tmp_path: Path):
    made = open_board(build_board(runs, tmp_path / "board").path).runs().set_index("run")
    assert (made.seconds > 0).all()
    assert made.joules.isna().all()
    assert json.loads(made.stages["best"])


@pytest.mark.parametrize(
    ("text", "badge"),
    [
        ('{"badge": "reproduced"}', "reproduced"),
        ('{"badge": "platinum"}', "self-reported"),
        ("[]", "self-reported"),
        ("{", "self-reported"),
        (None, "self-reported"),
    ],
)
def test_only_a_known_badge_lends_trust(tmp_path: Path, text: str | None, badge: str):
    if text is not None:
        (tmp_path / "verification.json").write_text(text, encoding="utf-8")
    assert badge_of(tmp_path) == badge


def test_gates_that_are_none_are_left_out_with_the_reason(runs: Path, tmp_path: Path):
    (runs / "gates").mkdir(exist_ok=True)
    for name, text in {"torn": "{", "list": "[]", "word": '{"verdict": "great", "checked_at": "now"}'}.items():
        (runs / "gates" / f"{name}.json").write_text(text, encoding="utf-8")
    built = build_board(runs, tmp_path / "board")
    left_out = {item.run: item.reason for item in built.left_out}
    assert set(left_out) == {"gates/torn.json", "gates/list.json", "gates/word.json"}
    assert "'great' is none of pass" in left_out["gates/word.json"]
    assert open_board(built.path).gates() == []


def test_gates_stand_in_order_of_time(tmp_path: Path):
    side = {"run": "r", "generator": "g", "created_at": "2026-01-01"}
    record = {"verdict": "pass", "suite": {"name": "s"}, "candidate": side, "baseline": side, "metrics": []}
    record |= {"reason": None, "notes": []}
    for name, when in (("a", "2026-02-01"), ("b", "2026-01-01")):
        (tmp_path / f"{name}.json").write_text(json.dumps(record | {"checked_at": when}), encoding="utf-8")
    assert [one["checked_at"] for one in read_gates(tmp_path).verdicts] == ["2026-01-01", "2026-02-01"]


def test_a_study_that_cannot_be_read_is_shown_with_the_reason(tmp_path: Path):
    (tmp_path / "votes.csv").write_text("nothing,of\nthe,kind\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no study", encoding="utf-8")
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "study.sqlite").touch()
    assert [place.name for place in study_places(tmp_path, vote_files=True)] == ["shapes", "votes.csv"]
    assert [place.name for place in study_places(tmp_path, vote_files=False)] == ["shapes"]
    record = study_record("votes", "no such columns", {})
    assert (record["problem"], record["records"]) == ("no such columns", [])
    assert fingerprint("a") != fingerprint("b")


def test_options_that_cannot_be_used_are_refused(stepbench: Callable[..., Any], runs: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="no folder of studies at"):
        build_board(runs, tmp_path / "board", studies=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no folder of gates at"):
        build_board(runs, tmp_path / "board", gates=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="at least 2 runs are compared"):
        build_board(runs, tmp_path / "board", compared=1)
    ended = stepbench(
        "leaderboard", "build", "--runs", runs, "-o", tmp_path / "board", "--studies", tmp_path / "nowhere"
    )
    assert ended.code == ExitCode.USAGE


def test_shipped_advisories_are_of_metrics_that_exist():
    from metrics import METRICS

    names = {advisory.metric for advisory in read_advisories()}
    assert names <= set(METRICS), f"unknown: {names - set(METRICS)}"


def test_advisories_hold_for_their_versions_with_warnings_first():
    rows = [
        {"metric": "m", "first_version": 2, "last_version": 3, "severity": "note", "problem": "p", "source": "s"},
        {"metric": "m", "severity": "warning", "problem": "q", "source": "s"},
    ]
    known = tuple(Advisory.model_validate(row) for row in rows)
    cards = {f"m@{version}": {"name": "m", "version": version} for version in (1, 2, 4)}
    found = advisories_of(cards | {"n@1": {"name": "n", "version": 1}}, known)
    problems = {key: [row["problem"] for row in rows] for key, rows in found.items()}
    assert problems == {"m@1": ["q"], "m@2": ["q", "p"], "m@4": ["q"]}


def test_an_advisory_whose_versions_run_backwards_is_refused():
    with pytest.raises(ValidationError, match="versions run from 3 to 2"):
        Advisory(metric="m", first_version=3, last_version=2, severity="note", problem="p", source="s")
