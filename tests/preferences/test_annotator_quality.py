"""Quality control against figures worked out by hand, and exclusions that leave every vote in place."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from study_pairs import Clock, pair_rows

from stepbench.preferences import Study
from stepbench.preferences.protocol import Exclusion, load_protocol
from stepbench.preferences.quality import QUALITY_COLUMNS, broken_rule

Make = Callable[..., Study]
KEPT = {
    "votes": 100,
    "gold": 10,
    "gold_pass_rate": 0.9,
    "repeats": 10,
    "repeat_consistency": 0.9,
    "timed": 100,
    "fast_share": 0.1,
    "side_bias_z": 1.0,
    "tie_share": 0.2,
}


def _answers(study: Study, clock: Clock, name: str, answer: Callable[[Any, str], str], seconds: float = 20.0) -> None:
    """Vote on everything; `answer` gets the pair's row and which clip is on the left."""
    rows = study.pairs().set_index("pair_id")
    while (assignment := study.next_pair(name)) is not None:
        clock.tick(seconds)
        study.vote(assignment, answer(rows.loc[assignment.pair_id], study.left_clip(assignment)))


def _choose(number: str, left: str) -> str:
    return "a" if number == left else "b"


def _pairs(gold: int = 5, repeats: int = 5, real: int = 40) -> list[dict[str, Any]]:
    rows = pair_rows(real, frames_1=80, fps_1=8.0, frames_2=160, fps_2=16.0)
    known = {"model_1": "alpha", "model_2": "alpha", "kind": "gold"}
    rows += [row | known | {"pair_id": f"g{i}", "expected": "12"[i % 2]} for i, row in enumerate(pair_rows(gold))]
    for i, row in enumerate(rows[:repeats]):
        rows.append(row | {"kind": "repeat", "pair_id": f"r{i}", "repeat_of": row["pair_id"]})
    return rows


def test_figures_of_one_annotator_worked_out_by_hand(make_study: Make, clock: Clock) -> None:
    study = make_study(_pairs(), target_votes=1)
    gold_seen: list[bool] = []

    def answer(pair: Any, left: str) -> str:
        if pair.kind == "gold":
            # Wrong once in five.
            gold_seen.append(True)
            return _choose(pair.expected if len(gold_seen) != 2 else "21"[int(pair.expected) - 1], left)
        if pair.kind == "repeat":
            return "tie"
        return "a"

    _answers(study, clock, "ann", answer)
    row = study.quality().iloc[0]
    assert tuple(study.quality().columns) == QUALITY_COLUMNS
    votes = study.votes()
    repeats = int((votes.kind == "repeat").sum())
    assert (row.votes, row.gold, row.gold_pass_rate) == (len(votes), 5, 0.8)
    assert (row.repeats, row.repeat_consistency) == (repeats, 0.0)
    assert repeats >= 1
    assert row.median_seconds == pytest.approx(20, abs=0.1)
    assert (row.timed, row.fast_share) == (len(votes) - 5, 0.0), "gold pairs here have no known length"
    left, right = int((votes.winner == "a").sum()), int((votes.winner == "b").sum())
    assert row.side_bias_z == pytest.approx((left - right) / math.sqrt(left + right))
    assert row.side_bias_z > 4
    assert row.tie_share == pytest.approx(repeats / len(votes))
    assert math.isnan(row.tie_z), "there is nobody to compare with"
    assert row.excluded == "side_bias_z"


def test_whoever_likes_the_same_clip_again_is_consistent(make_study: Make, clock: Clock) -> None:
    study = make_study(_pairs(), target_votes=1)
    _answers(study, clock, "ann", lambda pair, left: _choose(pair.expected or "1", left))
    row = study.quality().iloc[0]
    assert row.repeat_consistency == 1.0
    assert abs(row.side_bias_z) < 2
    assert row.excluded is None


def test_ties_are_compared_with_everybody_else(make_study: Make, clock: Clock) -> None:
    study = make_study(_pairs(0, 0, 30), target_votes=3)
    _answers(study, clock, "ann", lambda pair, left: "tie")
    _answers(study, clock, "bob", lambda pair, left: _choose("1", left))
    _answers(study, clock, "cho", lambda pair, left: _choose("2", left))
    table = study.quality().set_index("annotator")
    own = table.loc[study.pseudonym("ann")]
    # 30 of 30 against 0 of 60; pooled 1/3.
    assert own.tie_z == pytest.approx(1 / math.sqrt(2 / 9 * (1 / 30 + 1 / 60)))
    assert own.excluded == "tie_share"


@pytest.mark.parametrize(("seconds", "excluded"), [(9.0, "fast_share"), (11.0, None)])
def test_answers_before_the_clips_can_have_ended(make_study: Make, clock: Clock, seconds: float, excluded: str) -> None:
    # Clips last 10 s; both of a pair run at the same time.
    study = make_study(_pairs(0, 0, 20), target_votes=1)
    _answers(study, clock, "ann", lambda pair, left: _choose("1", left), seconds)
    assert study.quality().excluded.tolist() == [excluded]


def test_excluded_votes_are_marked_and_stay(make_study: Make, clock: Clock) -> None:
    study = make_study(_pairs(), target_votes=2)
    _answers(study, clock, "ann", lambda pair, left: _choose(pair.expected or "1", left))
    _answers(study, clock, "bad", lambda pair, left: _choose("2" if pair.expected == "1" else "1", left))
    votes = study.votes()
    bad = votes.annotator == study.pseudonym("bad")
    assert set(votes[bad].excluded) == {"gold_pass_rate"}
    assert votes[~bad].excluded.isna().all()
    assert study.pairs().query("kind == 'real'").votes.tolist() == [2] * 40


def test_ratings_alone_decide_by_their_sum(make_study: Make, clock: Clock) -> None:
    study = make_study(_pairs(gold=5, repeats=0, real=20), protocol="likert", target_votes=1)
    rows = study.pairs().set_index("pair_id")
    dimensions = [question.id for question in study.protocol.ratings]
    while (assignment := study.next_pair("ann")) is not None:
        clock.tick(15)
        good = _choose(rows.loc[assignment.pair_id].expected or "1", study.left_clip(assignment))
        ratings = {side: dict.fromkeys(dimensions, 5 if side == good else 2) for side in ("a", "b")}
        study.vote(assignment, ratings=ratings)
    row = study.quality().iloc[0]
    assert (row.gold, row.gold_pass_rate, row.tie_share) == (5, 1.0, 0.0)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({}, None),
        ({"gold_pass_rate": 0.79}, "gold_pass_rate"),
        ({"gold_pass_rate": 0.79, "gold": 4}, None),
        ({"gold_pass_rate": math.nan, "gold": 0}, None),
        ({"repeat_consistency": 0.49}, "repeat_consistency"),
        ({"repeat_consistency": 0.49, "repeats": 4}, None),
        ({"fast_share": 0.31}, "fast_share"),
        ({"fast_share": 0.31, "timed": 19}, None),
        ({"side_bias_z": -4.1}, "side_bias_z"),
        ({"side_bias_z": 4.1, "votes": 19}, None),
        ({"tie_share": 0.81}, "tie_share"),
        ({"tie_share": 0.81, "gold_pass_rate": 0.1}, "gold_pass_rate"),
    ],
)
def test_rules_and_their_limits(change: dict[str, float], rule: str | None) -> None:
    assert broken_rule(KEPT | change, Exclusion()) == rule


def test_a_limit_of_zero_is_no_rule() -> None:
    off = Exclusion(gold_pass_rate=0, repeat_consistency=0, fast_share=0, side_bias_z=0, tie_share=0)
    worst = {"gold_pass_rate": 0.0, "repeat_consistency": 0.0, "fast_share": 1.0, "side_bias_z": 9.0, "tie_share": 1.0}
    assert broken_rule(KEPT | worst, off) is None


def test_rules_are_those_that_were_frozen(tmp_path: Path, clock: Clock) -> None:
    own = tmp_path / "own.toml"
    own.write_text(load_protocol("pairwise")[1].replace("side_bias_z = 4.0", "side_bias_z = 0.0"), encoding="utf-8")
    study = Study.create(tmp_path / "study", _pairs(0, 0), protocol=own, target_votes=1, clock=clock)
    own.write_text("changed afterwards", encoding="utf-8")
    _answers(study, clock, "ann", lambda pair, left: "a")
    assert Study.open(tmp_path / "study").votes().excluded.isna().all()
