"""What becomes of a pair and of a vote at one annotator's screen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from voting_study import NASTY

sys.path.insert(0, str(Path(__file__).parent.parent / "preferences"))

from study_pairs import Clock, pair_rows

from leaderboard.voting.desk import Desk
from leaderboard.voting.submission import SubmissionError, read_submission
from stepbench.access.rates import Rate, RateLimiter
from stepbench.preferences import Study
from stepbench.preferences.errors import StudyBusyError
from stepbench.preferences.protocol import load_protocol

A, B = "a" * 32, "b" * 32
Seat = Callable[..., Desk]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def seat(clock: Clock) -> Iterator[Seat]:
    """`seat("ann", study)`: a desk whose clips last two seconds, and whose limiter does not get in the way."""
    limiter = RateLimiter(Rate(burst=1000, per_minute=1000))
    made: list[Study] = []

    def take(name: str = "ann", study: Study | None = None, *, limiter: RateLimiter = limiter, **options: Any) -> Desk:
        if study is None:
            study = Study.create("sqlite://", pair_rows(6), **{"clock": clock, "target_votes": 2} | options)
            made.append(study)
        return Desk(study, name, limiter, lambda assignment: (2.0, 2.0))

    yield take
    for study in made:
        study.close()


def ballot(desk: Desk, **changes: Any) -> dict[str, Any]:
    """A vote as the browser sends it, for the pair at hand."""
    assignment = desk.pair()
    assert assignment is not None
    plain = {"vote_id": f"{assignment.number:032x}", "skip": False, "winners": {"overall": "a"}, "ratings": {}}
    times = {"watch_a_s": 2.0, "watch_b_s": 2.0}
    return {"assignment": assignment.assignment_id, **plain, "reasons": [], "comment": "", **times, **changes}


def told(desk: Desk) -> str | None:
    return desk.notice.key if desk.notice else None


def test_a_whole_study_by_two_annotators(seat: Seat):
    ann = seat("ann")
    bob = seat("bob", ann.study)
    for desk in (ann, bob):
        while desk.pair() is not None:
            desk.vote(ballot(desk, vote_id=f"{hash((desk.annotator, desk.pair().number)) % 2**64:032x}"))
            assert told(desk) is None
    assert (ann.state, bob.state) == ("done", "done")
    votes = ann.study.votes()
    assert len(votes) == 12
    assert set(votes["winner"]) == {"a"}
    assert (votes["watch_a_s"] == 2.0).all()


def test_a_vote_sent_twice_is_stored_once_and_the_next_pair_stays(seat: Seat):
    desk = seat()
    sent = ballot(desk)
    desk.vote(sent)
    following = desk.pair()
    desk.vote(sent)
    assert desk.pair() == following
    assert told(desk) is None
    assert len(desk.study.votes()) == 1


def test_a_closed_tab_gets_its_pair_back_and_two_tabs_store_one_vote(seat: Seat):
    first = seat()
    second = seat("ann", first.study)
    assert first.pair().assignment_id == second.pair().assignment_id
    sent = ballot(second, vote_id=B)
    first.vote(ballot(first))
    second.vote(sent)
    assert told(second) == "voted_elsewhere"
    assert second.pair().assignment_id == first.pair().assignment_id
    assert len(first.study.votes()) == 1


def test_undo_brings_the_pair_back_within_its_time(seat: Seat, clock: Clock):
    desk = seat()
    assert not desk.can_undo()
    first = desk.pair()
    desk.vote(ballot(desk))
    assert desk.can_undo()
    desk.undo()
    assert (told(desk), desk.pair().assignment_id, desk.can_undo()) == ("undone", first.assignment_id, False)
    assert len(desk.study.votes()) == 0
    desk.vote(ballot(desk, vote_id=B, winners={"overall": "b"}))
    assert desk.study.votes()["winner"].tolist() == ["b"]
    clock.tick(61)
    assert not desk.can_undo()
    desk.undo()
    assert told(desk) == "undo_too_late"
    assert len(desk.study.votes()) == 1


def test_an_expired_lease_is_told_and_replaced(seat: Seat, clock: Clock):
    desk = seat(target_votes=1)
    lost = desk.pair()
    sent = ballot(desk)
    clock.tick(3600)
    other = seat("bob", desk.study)
    while other.pair().pair_id != lost.pair_id:
        other.vote(ballot(other, vote_id=f"b{other.pair().number:031x}"))
    other.vote(ballot(other, vote_id="c" * 32))
    desk.vote(sent)
    assert told(desk) == "lease_lost"
    assert desk.pair() is None or desk.pair().pair_id != lost.pair_id
    assert set(desk.study.votes()["annotator"]) == {desk.study.pseudonym("bob")}


def test_a_server_clock_that_is_set_back_costs_no_vote(seat: Seat, clock: Clock):
    desk = seat()
    sent = ballot(desk)
    clock.tick(-3600)
    desk.vote(sent)
    assert told(desk) is None
    assert len(desk.study.votes()) == 1


def test_signs_of_life_keep_a_lease_and_notice_its_end(seat: Seat, clock: Clock):
    desk = seat()
    held = desk.pair().assignment_id
    for _ in range(3):
        clock.tick(500)
        desk.beat(held)
        assert told(desk) is None
    desk.beat("another")
    clock.tick(3600)
    desk.beat(held)
    assert told(desk) == "lease_ended"
    assert desk.pair() is not None


def test_clips_must_have_been_watched_but_for_a_skip(seat: Seat):
    desk = seat()
    before = desk.attempt
    desk.vote(ballot(desk, watch_b_s=0.1))
    assert (told(desk), desk.attempt > before, len(desk.study.votes())) == ("not_watched", True, 0)
    desk.vote(ballot(desk, watch_a_s=0.0, watch_b_s=0.0, skip=True, winners={}))
    assert desk.study.votes()["winner"].tolist() == ["skip"]


def test_a_flood_is_slowed_down_and_nothing_is_lost(seat: Seat):
    now = [0.0]
    desk = seat(limiter=RateLimiter(Rate(burst=2, per_minute=60), clock=lambda: now[0]))
    for number in range(2):
        desk.vote(ballot(desk, vote_id=f"{number:032x}"))
    sent = ballot(desk, vote_id=B)
    desk.vote(sent)
    assert told(desk) == "too_fast"
    desk.undo()
    assert told(desk) == "too_fast"
    assert len(desk.study.votes()) == 2
    now[0] = 1.0
    desk.vote(sent)
    assert len(desk.study.votes()) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"assignment": "../../etc/passwd"},
        {"vote_id": "x" * 10_000},
        {"vote_id": B + "\n"},
        {"skip": "yes"},
        {"winners": {"overall": "<script>alert(1)</script>"}},
        {"winners": {"overall": "a", "no_such_question": "a"}},
        {"winners": {str(number): "a" for number in range(1000)}},
        {"winners": ["a"]},
        {"winners": {}},
        {"ratings": {"c": {}}},
        {"ratings": {"a": {"overall": 9}}},
        {"reasons": ["<img src=x onerror=alert(1)>"]},
        {"reasons": ["flicker"] * 1000},
        {"comment": "not asked for"},
        {"comment": "x" * 10**6},
        {"watch_a_s": -1.0},
        {"watch_a_s": float("nan")},
        {"watch_a_s": "2"},
        {"annotator": "somebody else"},
        {"started_at": "2000-01-01"},
    ],
)
def test_malformed_and_oversized_votes_are_refused_and_nothing_is_stored(seat: Seat, changes: dict[str, Any]):
    desk = seat()
    at_hand = desk.pair()
    desk.vote(ballot(desk, **changes))
    assert told(desk) == "not_understood"
    assert desk.pair() == at_hand, "the pair is still there"
    assert len(desk.study.votes()) == 0
    desk.vote(ballot(desk))
    assert len(desk.study.votes()) == 1


@pytest.mark.parametrize("sent", [None, "vote", 7, [], {}, {"<script>": 1}, [[[]]] * 1000])
def test_other_things_than_votes_are_refused_without_repeating_them(sent: Any):
    with pytest.raises(SubmissionError, match="not the form of a vote") as caught:
        read_submission(sent)
    assert "script" not in str(caught.value)


def test_a_vote_for_another_pair_or_of_another_person_is_not_stored(seat: Seat):
    ann = seat("ann")
    bob = seat("bob", ann.study)
    stolen = ballot(bob)
    ann.pair()
    ann.vote(stolen)
    assert told(ann) == "other_pair"
    assert len(ann.study.votes()) == 0
    ann.shown = bob.pair()
    ann.vote(stolen)
    assert told(ann) == "not_understood", "the study itself knows whose pair it is"
    assert len(ann.study.votes()) == 0


def test_names_reasons_and_comments_may_hold_anything(seat: Seat, tmp_path: Path):
    talkative = tmp_path / "talkative.toml"
    talkative.write_text(
        load_protocol("pairwise")[1].replace("free_text = false", "free_text = true"), encoding="utf-8"
    )
    desk = seat(NASTY, protocol=talkative)
    desk.vote(ballot(desk, reasons=["flicker", "physics"], comment=NASTY))
    assert desk.study.votes()["reasons"].tolist() == [["flicker", "physics"]]
    assert NASTY not in desk.study.votes().to_json()
    with desk.study.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT text FROM comment").scalars().all() == [NASTY]


def test_who_was_forgotten_in_between_starts_anew(seat: Seat):
    desk = seat()
    sent = ballot(desk)
    desk.study.forget("ann")
    desk.vote(sent)
    assert told(desk) == "other_pair"
    assert len(desk.study.votes()) == 0
    assert desk.pair().number == 1


def test_practice_tells_the_right_answer_and_real_pairs_do_not(seat: Seat):
    rows = pair_rows(2) + [
        row | {"pair_id": f"c{n}", "kind": "calibration", "expected": "1"} for n, row in enumerate(pair_rows(2))
    ]
    protocol = load_protocol("pairwise")[1]
    assert "calibration = 4" in protocol
    study = Study.create("sqlite://", rows, clock=Clock())
    desk = seat("ann", study)
    for answer_right in (True, False):
        assert desk.pair().calibration
        left = study.left_clip(desk.pair())
        right_side = "a" if left == "1" else "b"
        other = "b" if right_side == "a" else "a"
        desk.vote(ballot(desk, winners={"overall": right_side if answer_right else other}))
        assert told(desk) == f"calibration_{'right' if answer_right else 'wrong'}_{right_side}"
    assert not desk.pair().calibration
    desk.vote(ballot(desk))
    assert told(desk) is None
    study.close()


def test_daily_cap_and_an_unreachable_study_are_states_not_crashes(seat: Seat, tmp_path: Path, monkeypatch):
    capped = tmp_path / "capped.toml"
    capped.write_text(load_protocol("pairwise")[1].replace("daily_cap = 1000", "daily_cap = 1"), encoding="utf-8")
    desk = seat(protocol=capped)
    desk.vote(ballot(desk))
    assert (desk.pair(), desk.state) == (None, "cap")

    desk = seat()
    sent = ballot(desk)

    def away(*_: object, **__: object) -> None:
        raise StudyBusyError("away")

    with monkeypatch.context() as patch:
        for name in ("vote", "undo", "heartbeat", "next_pair"):
            patch.setattr(desk.study, name, away)
        desk.vote(sent)
        assert told(desk) == "busy"
        desk.undo()
        assert told(desk) == "busy"
        desk.beat(sent["assignment"])
        assert desk.pair() is not None, "what is on screen stays"
        fresh = seat("bob", desk.study)
        assert (fresh.pair(), fresh.state) == (None, "busy")
    desk.vote(sent)
    assert len(desk.study.votes()) == 1


def test_others_at_work_are_waited_for(seat: Seat):
    ann = seat(target_votes=1)
    bob = seat("bob", ann.study)
    ann.pair()
    while bob.pair() is not None:
        bob.vote(ballot(bob))
    assert bob.state == "wait"
    ann.vote(ballot(ann, vote_id=A))
    assert (ann.pair(), ann.state) == (None, "done")
    assert (bob.pair(), bob.state) == (None, "done")


def test_who_has_judged_all_need_not_wait_for_others(seat: Seat):
    ann = seat()
    bob = seat("bob", ann.study)
    bob.pair()
    while ann.pair() is not None:
        ann.vote(ballot(ann))
    assert ann.study.own_progress("ann").with_others == 0
    assert ann.state == "done"
