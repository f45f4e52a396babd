"""Votes: stored once, checked, corrected and undone by further rows, refused when their place is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError
from study_pairs import Clock, pair_rows

from stepbench.preferences import Assignment, Study, schema
from stepbench.preferences.errors import LeaseLostError, StudyError, VoteConflictError, VoteRefusedError
from stepbench.preferences.protocol import load_protocol
from stepbench.preferences.tables import VOTE_COLUMNS
from stepbench.stats import bradley_terry

Make = Callable[..., Study]
DIMENSIONS = ["instruction_following", "motion_smoothness", "physical_plausibility", "aesthetic_appeal"]


def _next(study: Study, name: str = "ann") -> Assignment:
    assignment = study.next_pair(name)
    assert assignment is not None
    return assignment


def test_a_vote_sent_twice_is_stored_once(make_study: Make) -> None:
    study = make_study()
    assignment = _next(study)
    first = study.vote(assignment, "a", vote_id="v1", reasons=["flicker"])
    again = study.vote(assignment, "a", vote_id="v1", reasons=["flicker"])
    assert (first.stored, again.stored) == (True, False)
    assert again.submitted_at == first.submitted_at
    assert study.votes().vote_id.tolist() == ["v1"]


def test_the_same_id_with_other_content_is_refused(make_study: Make) -> None:
    study = make_study()
    assignment = _next(study)
    study.vote(assignment, "a", vote_id="v1")
    with pytest.raises(VoteConflictError, match="'v1' is stored with another content"):
        study.vote(assignment, "b", vote_id="v1")
    with pytest.raises(VoteConflictError, match="is stored with another content"):
        study.vote(_next(study), "a", vote_id="v1")
    with pytest.raises(VoteConflictError, match="has this annotator's vote already"):
        study.vote(assignment, "b", vote_id="v2")
    assert study.votes().winner.tolist() == ["a"]


def test_assignments_go_by_object_or_by_id(make_study: Make) -> None:
    study = make_study()
    study.vote(_next(study).assignment_id, "a")
    study.vote(assignment_id=_next(study).assignment_id, winner="right", vote_id="mine")
    assert study.votes().winner.tolist() == ["a", "b"]
    assignment = _next(study)
    for arguments in ({}, {"assignment": assignment, "assignment_id": "another"}):
        with pytest.raises(VoteRefusedError, match="a vote needs one assignment"):
            study.vote(winner="a", **arguments)
    with pytest.raises(VoteRefusedError, match="no assignment 'nowhere'"):
        study.vote("nowhere", "a")
    study.register("bob")
    with pytest.raises(VoteRefusedError, match="of this annotator"):
        study.vote(assignment, "a", annotator="bob")
    with pytest.raises(StudyError, match="no annotator of this name"):
        study.vote(assignment, "a", annotator="nobody")
    with pytest.raises(VoteRefusedError, match="1 to 100 characters, got 101"):
        study.vote(assignment, "a", vote_id="x" * 101)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"winner": "left clip"}, "must be one of a, b, tie, both_bad, skip, got 'left clip'"),
        ({"winner": None}, "wants answers to overall"),
        ({"winner": {"overall": 1}}, "must be one of"),
        ({"winner": {"beauty": "a"}}, "asks for no winner in 'beauty'"),
        ({"winner": "a", "ratings": {"a": {"beauty": 3}}}, "asks for no rating of 'beauty'"),
        ({"winner": "a", "reasons": ["ugly"]}, "has no reason 'ugly'"),
        ({"winner": "a", "comment": "nice"}, "takes no comments"),
        ({"winner": "skip", "ratings": {"a": {}}}, "a skipped pair has no ratings"),
        ({"winner": "a", "watch_a_s": -1.0}, "watch_a_s is a number of seconds from 0, got -1"),
        ({"winner": "a", "watch_b_s": float("nan")}, "watch_b_s is a number"),
        ({"winner": "a", "watch_b_s": "3"}, "watch_b_s is a number of seconds from 0, got '3'"),
        ({"winner": "a", "vote_id": "v\0"}, "a vote_id cannot hold a NUL"),
        ({"winner": "a", "vote_id": "v\ud800"}, "a vote_id cannot hold .* half a surrogate pair"),
        ({"winner": "a", "started_at": "noon"}, "not a time in ISO 8601: 'noon'"),
        (
            {"winner": "a", "started_at": "2026-01-01T12:00:00", "submitted_at": "2026-01-01T11:59:59"},
            "cannot be given before its pair was shown",
        ),
    ],
)
def test_votes_that_the_protocol_does_not_know_are_refused(make_study: Make, answers: dict, message: str) -> None:
    study = make_study()
    assignment = _next(study)
    with pytest.raises(StudyError, match=message):
        study.vote(assignment, **answers)
    assert study.votes().empty
    assert study.next_pair("ann") is not None


def test_ratings_of_the_step_video_protocol(make_study: Make) -> None:
    study = make_study(protocol="step-video")
    assignment = _next(study)
    rate = lambda number: dict.fromkeys(DIMENSIONS, number)  # noqa: E731
    study.vote(assignment, "tie", ratings={"a": rate(np.int64(4)), "b": rate(2)})
    votes = study.votes()
    assert votes.dimension.tolist() == ["overall"] + [d for d in DIMENSIONS for _ in range(2)]
    assert votes.winner.tolist() == ["tie"] + [None] * 8
    assert votes.rating.tolist()[1:] == [4.0, 2.0] * 4
    assert votes.rated_clip.tolist() == [None] + ["a", "b"] * 4
    assert votes.vote_id.nunique() == 1
    second = _next(study)
    for ratings, message in [
        (None, "wants answers to instruction_following, motion_smoothness"),
        ({"a": rate(4)}, "clip b has no rating of"),
        ({"a": rate(4), "b": rate(6)}, "whole number from 1 to 5, got 6"),
        ({"a": rate(4), "b": rate(2.5)}, "whole number from 1 to 5, got 2.5"),
        ({"a": rate(4), "b": rate(True)}, "whole number from 1 to 5, got True"),
        ({"c": rate(4)}, "ratings are given per clip, a and b, got 'c'"),
    ]:
        with pytest.raises(VoteRefusedError, match=message):
            study.vote(second, "a", ratings=ratings)
    with pytest.raises(VoteRefusedError, match="must be one of a, b, tie, skip, got 'both_bad'"):
        study.vote(second, "both_bad", ratings={"a": rate(1), "b": rate(1)})
    study.vote(second, "skip")
    assert study.votes().iloc[-1][["dimension", "winner"]].tolist() == ["overall", "skip"]


def test_a_skip_is_refused_where_the_protocol_has_none(make_study: Make, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    changed = load_protocol("pairwise")[1].replace("skip = true", "skip = false")
    own.write_text(changed.replace("free_text = false", "free_text = true"), encoding="utf-8")
    study = make_study(protocol=own)
    with pytest.raises(VoteRefusedError, match="has no skip"):
        study.vote(_next(study), "skip")
    with pytest.raises(VoteRefusedError, match="at most 2000 characters, got 2001"):
        study.vote(_next(study), "a", comment="x" * 2001)
    with pytest.raises(VoteRefusedError, match="a comment cannot hold a NUL"):
        study.vote(_next(study), "a", comment="x\0")


def test_pairwise_dimensions_take_a_winner_for_each(make_study: Make) -> None:
    study = make_study(protocol="pairwise-dimensions")
    answers = {"overall": "a"} | dict.fromkeys(DIMENSIONS, "tie")
    study.vote(_next(study), answers)
    assert dict(zip(study.votes().dimension, study.votes().winner, strict=True)) == answers
    with pytest.raises(VoteRefusedError, match="wants answers to instruction_following"):
        study.vote(_next(study), "a")


def test_a_late_vote_counts_while_there_is_room(make_study: Make, clock: Clock) -> None:
    study = make_study(1, target_votes=2)
    assignment = _next(study)
    clock.tick(11 * 60)
    study.vote(_next(study, "bob"), "b")
    assert study.vote(assignment, "a").stored
    assert study.pairs().votes.tolist() == [2]


@pytest.mark.parametrize("other", ["votes", "holds a lease"])
def test_a_late_vote_is_refused_once_the_place_is_taken(make_study: Make, clock: Clock, other: str) -> None:
    study = make_study(1, target_votes=1)
    assignment = _next(study)
    clock.tick(11 * 60)
    taken = _next(study, "bob")
    if other == "votes":
        study.vote(taken, "b")
    with pytest.raises(LeaseLostError, match=r"ran out at .*, and others have taken its 1 place\(s\)"):
        study.vote(assignment, "a")
    assert study.vote(assignment, "skip").stored, "a skip takes no place"


def test_undo_gives_the_pair_back(make_study: Make, clock: Clock) -> None:
    study = make_study(2, target_votes=1)
    first = _next(study)
    study.vote(first, "a", vote_id="v1")
    second = _next(study)
    study.vote(second, "b", vote_id="v2")
    assert study.undo("ann").assignment_id == second.assignment_id
    assert study.votes().vote_id.tolist() == ["v1"]
    assert study.next_pair("bob") is None, "the place is still held"
    assert _next(study).assignment_id == second.assignment_id
    study.vote(second, "tie", vote_id="v3")
    assert study.votes().winner.tolist() == ["a", "tie"]
    everything = study.votes(include_superseded=True)
    assert everything.vote_id.tolist() == ["v1", "v2", "v3"]
    clock.tick(61)
    with pytest.raises(VoteRefusedError, match="can be changed for 60 s, this one is 61 s old"):
        study.undo("ann")
    study.register("bob")
    with pytest.raises(VoteRefusedError, match="no vote to take back"):
        study.undo("bob")


def test_undo_gives_back_the_pair_that_came_next(make_study: Make) -> None:
    study = make_study(2, target_votes=1)
    first = study.next_pair("ann")
    study.vote(first, "a")
    second = study.next_pair("ann")
    assert study.next_pair("bob") is None
    assert study.undo("ann").pair_id == first.pair_id
    assert study.next_pair("bob").pair_id == second.pair_id
    study.vote(study.next_pair("ann"), "b")
    assert study.next_pair("ann") is None


def test_undoing_a_skip_takes_no_place_that_others_filled(make_study: Make) -> None:
    study = make_study(1, target_votes=1)
    assignment = _next(study)
    study.vote(assignment, "skip")
    study.vote(_next(study, "bob"), "a")
    study.undo("ann")
    with pytest.raises(LeaseLostError, match="others have taken"):
        study.vote(assignment, "b")
    assert study.pairs().votes.tolist() == [1]


def test_a_correction_is_a_new_row(make_study: Make, clock: Clock) -> None:
    study = make_study()
    assignment = _next(study)
    study.vote(assignment, "a", vote_id="v1")
    study.vote(assignment, "b", vote_id="v2", supersedes="v1")
    assert study.votes()[["vote_id", "winner", "supersedes"]].to_numpy().tolist() == [["v2", "b", "v1"]]
    assert study.votes(include_superseded=True).vote_id.tolist() == ["v1", "v2"]
    assert study.pairs().votes.sum() == 1
    with pytest.raises(VoteConflictError, match="'v1' is not the one that stands"):
        study.vote(assignment, "tie", vote_id="v3", supersedes="v1")
    clock.tick(61)
    with pytest.raises(VoteRefusedError, match="can be changed for 60 s"):
        study.vote(assignment, "tie", vote_id="v3", supersedes="v2")


def test_a_skip_cannot_be_corrected_into_a_full_pair(make_study: Make) -> None:
    study = make_study(1, target_votes=1)
    assignment = _next(study)
    study.vote(assignment, "skip", vote_id="v1")
    study.vote(_next(study, "bob"), "a")
    with pytest.raises(LeaseLostError, match="others have taken"):
        study.vote(assignment, "b", vote_id="v2", supersedes="v1")


def test_the_database_itself_refuses_to_change_votes(study_url: str) -> None:
    study = Study.create(study_url, pair_rows(2))
    study.vote(_next(study), "a", vote_id="v1")
    statements = [
        update(schema.vote).values(submitted_at=0),
        delete(schema.vote),
        update(schema.judgement).values(winner="b"),
        delete(schema.judgement),
    ]
    for statement in statements:
        with (
            pytest.raises(DBAPIError, match="rows are append-only"),
            study.database.writing() as connection,
        ):
            connection.execute(statement)
    assert study.votes().winner.tolist() == ["a"]
    study.close()


def test_forgetting_cuts_the_link_and_deletes_comments(make_study: Make, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(load_protocol("pairwise")[1].replace("free_text = false", "free_text = true"), encoding="utf-8")
    study = make_study(protocol=own)
    study.vote(_next(study, "ann@host"), "a", comment="I am Ann")
    study.vote(_next(study, "bob@host"), "b", comment="second")
    _next(study, "ann@host")
    before = study.pseudonym("ann@host")
    after = study.forget("ann@host")
    assert after != before
    assert set(study.votes().annotator) == {after, study.pseudonym("bob@host")}
    assert study.pseudonym("ann@host") is None
    assert study.live_leases().empty
    with study.database.reading() as connection:
        dump = "\n".join(
            str(tuple(row)) for t in schema.metadata.sorted_tables for row in connection.execute(t.select())
        )
    assert "I am Ann" not in dump
    assert "second" in dump
    assert before is not None
    assert before not in dump
    assert "@host" not in dump, "names are never stored"
    with pytest.raises(StudyError, match="no annotator of this name"):
        study.forget("ann@host")
    assert study.next_pair("ann@host") is not None


def test_the_table_of_votes_is_what_the_statistics_take(make_study: Make) -> None:
    study = make_study(pair_rows(30, seed_1=1, fps_1=8.0, category="toys"), target_votes=3)
    rng = np.random.default_rng(0)
    for name in ("ann", "bob", "cho"):
        while (assignment := study.next_pair(name)) is not None:
            study.vote(assignment, str(rng.choice(["a", "b", "tie", "skip"])), watch_a_s=1.5)
    votes = study.votes()
    assert tuple(votes.columns) == VOTE_COLUMNS
    ratings = bradley_terry(
        votes[
            (votes.kind == "real") & (votes.dimension == "overall") & (votes.winner != "skip") & votes.excluded.isna()
        ],
        rng=rng,
    )
    assert set(ratings.model) == {"alpha", "beta", "gamma"}
    assert votes.clip_a.str.contains("one").sum() + votes.clip_b.str.contains("one").sum() == len(votes)
    planned = study.pairs().set_index("pair_id")
    for row in votes.itertuples():
        numbers = ("1", "2") if row.model_a == planned.model_1[row.pair_id] else ("2", "1")
        for side, number in zip("ab", numbers, strict=True):
            assert getattr(row, f"clip_{side}") == planned[f"clip_{number}"][row.pair_id]
            seed = getattr(row, f"seed_{side}")
            assert (seed == 1) if number == "1" else pd.isna(seed)
    times = pd.to_datetime(votes.submitted_at)
    assert times.is_monotonic_increasing
    assert str(times.dt.tz) == "UTC"


def test_an_empty_study_has_all_columns(make_study: Make) -> None:
    study = make_study([])
    assert tuple(study.votes().columns) == VOTE_COLUMNS
    assert study.next_pair("ann") is None
    assert study.quality().empty
    with study.database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM study")).scalar() == 1


def test_a_clock_that_is_set_back_costs_no_vote(make_study: Make, clock: Clock) -> None:
    study = make_study(target_votes=1)
    first = _next(study)
    clock.tick(-3600)
    assert study.vote(first, "a", vote_id="v1").stored
    row = study.votes().iloc[0]
    assert row.started_at == row.submitted_at
    with pytest.raises(VoteRefusedError, match="cannot be given before its pair was shown"):
        study.vote(_next(study), "a", started_at="2100-01-01T00:00:00")


def test_what_stands_is_undone_whatever_the_clocks_said(make_study: Make, clock: Clock) -> None:
    study = make_study(target_votes=1)
    pair = _next(study)
    study.vote(pair, "a", vote_id="v1")
    clock.tick(-30)
    study.vote(pair, "b", vote_id="v2", supersedes="v1")
    clock.tick(-30)
    study.undo("ann")
    assert study.votes().empty
    clock.tick(-30)
    study.vote(pair, "tie", vote_id="v3")
    study.undo("ann")
    study.vote(pair, "tie", vote_id="v4")
    assert study.votes().vote_id.tolist() == ["v4"]


def test_servers_whose_clocks_differ_fill_no_pair_beyond_its_target(tmp_path: Path) -> None:
    slow = Clock()
    place = f"sqlite:///{tmp_path}/study.sqlite"
    with (
        Study.create(place, pair_rows(1), target_votes=1, clock=slow) as behind,
        Study.open(place, clock=lambda: slow() + 3600) as ahead,
    ):
        held = _next(behind, "ann")
        ahead.vote(_next(ahead, "bob"), "a")
        with pytest.raises(LeaseLostError, match="others have taken its 1 place"):
            behind.vote(held, "b")
        assert behind.pairs().votes.tolist() == [1]
