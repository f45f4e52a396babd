"""Who gets which pair: once each, never beyond the target, least covered first, sides balanced, leases that run out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from study_pairs import Clock, pair_rows

from stepbench.preferences import Study
from stepbench.preferences.errors import DailyCapError, StudyError

Make = Callable[..., Study]


def _vote_all(study: Study, *names: str, winner: str = "a") -> list[str]:
    """Vote in turns until nothing is left; returns the pairs in order."""
    seen, active = [], list(names)
    while active:
        for name in list(active):
            assignment = study.next_pair(name)
            if assignment is None:
                active.remove(name)
                continue
            seen.append(assignment.pair_id)
            study.vote(assignment, winner)
    return seen


def test_each_annotator_gets_each_pair_once_and_no_pair_passes_its_target(make_study: Make) -> None:
    study = make_study(10, target_votes=3)
    _vote_all(study, "ann", "bob", "cho", "dee", "eve")
    votes, pairs = study.votes(), study.pairs()
    assert pairs.votes.tolist() == [3] * 10
    assert not votes.duplicated(["pair_id", "annotator"]).any()
    assert study.next_pair("late") is None


def test_the_least_covered_pairs_come_first(make_study: Make) -> None:
    study = make_study(10, target_votes=3)
    order = _vote_all(study, "ann", "bob", "cho")
    assert len(set(order[:10])) == len(set(order[10:20])) == 10


def test_whoever_comes_back_gets_the_same_pair(make_study: Make, clock: Clock) -> None:
    study = make_study()
    first = study.next_pair("ann")
    clock.tick(300)
    again = study.next_pair("ann")
    assert first is not None
    assert again is not None
    assert (again.assignment_id, again.left, again.started_at) == (first.assignment_id, first.left, first.started_at)
    assert again.leased_until > first.leased_until


def test_a_lease_holds_its_place_until_it_runs_out(make_study: Make, clock: Clock) -> None:
    study = make_study(1, target_votes=1)
    assert study.next_pair("ann") is not None
    assert study.next_pair("bob") is None
    clock.tick(10 * 60 + 1)
    assert study.next_pair("bob") is not None
    assert study.next_pair("ann") is None


def test_a_heartbeat_keeps_a_lease_alive(make_study: Make, clock: Clock) -> None:
    study = make_study(1, target_votes=1)
    assignment = study.next_pair("ann")
    assert assignment is not None
    for _ in range(5):
        clock.tick(9 * 60)
        assert study.heartbeat(assignment)
        assert study.next_pair("bob") is None
    clock.tick(11 * 60)
    assert not study.heartbeat(assignment), "a lease that ran out is not brought back by a heartbeat"
    assert not study.heartbeat("no such assignment")


def test_a_lease_that_ran_out_may_come_back_with_the_same_sides(make_study: Make, clock: Clock) -> None:
    study = make_study(1, target_votes=1)
    first = study.next_pair("ann")
    clock.tick(11 * 60)
    second = study.next_pair("ann")
    assert first is not None
    assert second is not None
    assert (second.assignment_id, second.left) == (first.assignment_id, first.left)


def test_sides_are_balanced_per_pair_and_per_annotator(make_study: Make) -> None:
    study = make_study(60, target_votes=4)
    _vote_all(study, "ann", "bob", "cho", "dee")
    votes = study.votes()
    first_left = votes.model_a < votes.model_b
    per_pair = first_left.groupby(votes.pair_id).sum()
    assert per_pair.eq(2).all(), "each pair is shown twice each way round"
    for model in ("alpha", "beta", "gamma"):
        for name in votes.annotator.unique():
            own = votes[votes.annotator == name]
            left, right = (own.model_a == model).sum(), (own.model_b == model).sum()
            assert abs(left - right) <= 12, "of 40 showings of this model"


def test_a_lone_annotator_sees_each_model_left_as_often_as_right(make_study: Make) -> None:
    study = make_study(60, target_votes=1)
    _vote_all(study, "ann")
    votes = study.votes()
    for model in ("alpha", "beta", "gamma"):
        assert abs(int((votes.model_a == model).sum()) - int((votes.model_b == model).sum())) <= 2


def test_the_same_seed_gives_the_same_order_and_another_seed_another(make_study: Make) -> None:
    orders = [_vote_all(make_study(30, seed=seed), "ann", "bob") for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_the_chance_of_an_assignment_is_one_in_the_least_covered(make_study: Make) -> None:
    study = make_study(4, target_votes=1)
    _vote_all(study, "ann")
    assert sorted(study.votes().propensity) == [0.25, pytest.approx(1 / 3), 0.5, 1.0]


def test_skips_do_not_fill_a_pair_but_do_not_keep_it_open_for_ever(make_study: Make) -> None:
    study = make_study(1, target_votes=2)
    for name in ("ann", "bob", "cho"):
        assignment = study.next_pair(name)
        assert assignment is not None
        study.vote(assignment, "skip" if name == "ann" else "tie")
    assert study.pairs().votes.tolist() == [2]
    assert sorted(study.votes().winner) == ["skip", "tie", "tie"]
    hopeless = make_study(1, target_votes=2)
    assert len(_vote_all(hopeless, "ann", "bob", "cho", "dee", winner="skip")) == 3


def _with_extras(real: int, gold: int = 0, repeats: int = 0, calibration: int = 0) -> list[dict[str, object]]:
    rows = pair_rows(real)
    known = {"model_1": "alpha", "model_2": "alpha", "expected": "1"}
    rows += [row | known | {"kind": "gold", "pair_id": f"g{i}"} for i, row in enumerate(pair_rows(gold))]
    rows += [row | known | {"kind": "calibration", "pair_id": f"c{i}"} for i, row in enumerate(pair_rows(calibration))]
    rows += [
        row | {"kind": "repeat", "pair_id": f"r{i}", "repeat_of": row["pair_id"]}
        for i, row in enumerate(rows[:repeats])
    ]
    return rows


def test_gold_pairs_are_spread_evenly_and_everyone_who_does_all_sees_all(make_study: Make) -> None:
    study = make_study(_with_extras(45, gold=5), target_votes=1)
    order = _vote_all(study, "ann")
    places = [place for place, pair in enumerate(order) if pair.startswith("g")]
    assert len(order) == 50
    assert [place // 10 for place in places] == [0, 1, 2, 3, 4], "one in each stretch of ten"
    assert len({place % 10 for place in places}) > 1, "not always at the same place"


def test_gold_pairs_are_not_work_of_their_own(make_study: Make) -> None:
    study = make_study(_with_extras(20, gold=20), target_votes=1)
    _vote_all(study, *"abcdefghij")
    shown = Counter(study.votes().kind)
    assert shown["real"] == 20
    assert shown["gold"] <= 30
    assert study.next_pair("late") is None, "who finds no real pair gets no gold pair either"


def test_repeats_come_swapped_and_at_least_twenty_pairs_later(make_study: Make) -> None:
    study = make_study(_with_extras(60, repeats=6), target_votes=2)
    orders: dict[str, list[str]] = {"ann": [], "bob": []}
    for name in ("ann", "bob"):
        while (assignment := study.next_pair(name)) is not None:
            orders[name].append(assignment.pair_id)
            study.vote(assignment, "a")
    original = dict(zip(study.pairs().pair_id, study.pairs().repeat_of, strict=True))
    for order in orders.values():
        repeats = [pair for pair in order if pair.startswith("r")]
        assert repeats
        for repeat in repeats:
            assert order.index(repeat) - order.index(original[repeat]) > 20
    votes = study.votes()
    for row in votes[votes.kind == "repeat"].itertuples():
        first = votes[(votes.pair_id == original[row.pair_id]) & (votes.annotator == row.annotator)].iloc[0]
        assert (row.model_a, row.model_b, row.clip_a) == (first.model_b, first.model_a, first.clip_b)


def test_a_short_study_has_no_repeats(make_study: Make) -> None:
    order = _vote_all(make_study(_with_extras(15, repeats=3), target_votes=1), "ann")
    assert len(order) == 15


def test_the_calibration_round_comes_first_and_shows_the_answer(make_study: Make) -> None:
    study = make_study(_with_extras(5, calibration=3), target_votes=1)
    for number in range(3):
        assignment = study.next_pair("ann")
        assert assignment is not None
        assert assignment.calibration
        assert assignment.pair_id == f"c{number}"
        expected = "a" if study.left_clip(assignment) == "1" else "b"
        assert study.vote(assignment, "tie").expected == expected
    last = study.next_pair("ann")
    assert last is not None
    assert not last.calibration
    assert study.vote(last, "a").expected is None


def test_the_daily_cap_holds_people_but_no_programs(make_study: Make, clock: Clock, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from stepbench.preferences.protocol import load_protocol

    capped = tmp_path / "capped.toml"
    capped.write_text(load_protocol("pairwise")[1].replace("daily_cap = 1000", "daily_cap = 2"), encoding="utf-8")
    study = make_study(5, protocol=capped)
    for _ in range(2):
        study.vote(study.next_pair("ann"), "a")
    with pytest.raises(DailyCapError, match="2 votes a day are the most"):
        study.next_pair("ann")
    clock.tick(86400)
    assert study.next_pair("ann") is not None
    study.register("robot", simulated=True)
    for _ in range(5):
        study.vote(study.next_pair("robot"), "a")


def test_people_and_programs_keep_apart(make_study: Make) -> None:
    study = make_study()
    assert study.register("robot", simulated=True).startswith("sim-")
    assert study.register("ann").startswith("ann-")
    assert study.pseudonym("ann") == study.register("  ann ")
    assert study.pseudonym("nobody") is None
    with pytest.raises(StudyError, match="is a program in this study"):
        study.register("robot")
    with pytest.raises(StudyError, match="is a person in this study"):
        study.register("ann", simulated=True)
    for name in ("", "   ", "x" * 201, None):
        with pytest.raises(StudyError, match="must be a text of 1 to 200"):
            study.next_pair(name)  # type: ignore[arg-type]
