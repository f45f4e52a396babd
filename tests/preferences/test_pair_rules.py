from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from votes_for_tests import random_votes, table, vote

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences.dpo.rules import PairRules, candidate_votes, select_pairs


def select(rows, **rules):
    chosen = PairRules(**rules)
    return select_pairs(candidate_votes(table(rows), chosen), chosen)


def votes_on(prompt: str, verdicts: str, **more) -> list[dict]:
    """One vote per letter: 1 or 2 for a model, t for a tie, b for both bad; sides by turns."""
    rows = []
    for number, letter in enumerate(verdicts):
        swapped = number % 2 == 1
        side = {"t": "tie", "b": "both_bad"}.get(letter) or ("a" if (letter == "1") != swapped else "b")
        rows.append(vote(prompt, side, annotator=f"ann-{number}", swapped=swapped, **more))
    return rows


@pytest.mark.parametrize(
    ("verdicts", "share", "margin"),
    [("1", 1.0, 1.0), ("112", 2 / 3, 1 / 3), ("11t", 1.0, 2 / 3), ("1112b", 3 / 4, 2 / 5)],
)
def test_the_majority_is_chosen_with_its_share_of_decided_votes(verdicts, share, margin):
    (pair,) = select(votes_on("p1", verdicts)).pairs
    assert (pair.chosen["model"], pair.rejected["model"]) == ("m1", "m2")
    assert pair.share == pytest.approx(share)
    assert pair.margin == pytest.approx(margin)
    assert [one["outcome"] for one in pair.votes].count("chosen") == verdicts.count("1")


@pytest.mark.parametrize(
    ("verdicts", "why"),
    [("12", "tie"), ("t", "tie"), ("1tt", "tie"), ("bb1", "both bad"), ("1b", "both bad"), ("11112222t", "tie")],
)
def test_ties_and_both_bad_are_dropped_by_name(verdicts, why):
    found = select(votes_on("p1", verdicts))
    assert found.pairs == ()
    assert found.dropped == {why: 1}


def test_minimum_of_votes_and_margin():
    rows = [*votes_on("p1", "1"), *votes_on("p2", "112"), *votes_on("p3", "111")]
    found = select(rows, min_votes=3, min_margin=0.5)
    assert [pair.prompt_id for pair in found.pairs] == ["p3"]
    assert found.dropped == {"fewer than 3 votes": 1, "margin below 0.5": 1}


def test_gold_repeats_calibration_and_excluded_annotators_never_get_in():
    kinds = [votes_on(f"p{n}", "1", kind=kind) for n, kind in enumerate(("gold", "repeat", "calibration"))]
    rows = [row for own in kinds for row in own] + votes_on("p7", "1", excluded="fast_share") + votes_on("p8", "1")
    found = select(rows)
    assert [pair.prompt_id for pair in found.pairs] == ["p8"]


def test_the_cap_keeps_the_clearest_pairs_of_a_prompt():
    rows = [
        *votes_on("p1", "112", models=("m1", "m2")),
        *votes_on("p1", "111", models=("m1", "m3")),
        *votes_on("p1", "11", models=("m1", "m4")),
    ]
    found = select(rows, max_pairs_per_prompt=1)
    assert found.pairs[0].rejected["model"] == "m3"
    assert found.dropped == {"more than 1 pairs of a prompt": 2}


def test_pairs_of_one_generator_can_be_preferred_or_required():
    own = votes_on("p1", "1", models=("m1", "m1"), pair_id="own", clip_sha256_b="f" * 64, seed_b=1)
    own = [row | {"winner": "a", "sample_key_b": "other"} for row in own]
    rows = [*own, *votes_on("p1", "1"), *votes_on("p2", "1")]
    assert len(select(rows).pairs) == 3
    assert [pair.pair_id for pair in select(rows, same_generator="prefer").pairs] == ["own", "p2-m1-m2"]
    required = select(rows, same_generator="require")
    assert [pair.pair_id for pair in required.pairs] == ["own"]
    assert required.dropped == {"clips of two generators": 2}


def test_votes_of_programs_can_be_left_out():
    rows = votes_on("p1", "1", simulated=True)
    assert select(rows).pairs[0].simulated == 1
    with pytest.raises(NothingSelectedError, match="no vote is left"):
        select(rows, people_only=True)


def test_refuses_impossible_rules_and_unknown_dimensions():
    for wrong, why in [
        ({"min_votes": 0}, "min_votes must be at least 1"),
        ({"min_margin": 1.5}, "min_margin must lie between 0 and 1"),
        ({"max_pairs_per_prompt": 0}, "max_pairs_per_prompt must be at least 1"),
        ({"same_generator": "yes"}, "same_generator is any, prefer or require"),
    ]:
        with pytest.raises(UsageError, match=why):
            PairRules(**wrong)
    with pytest.raises(UsageError, match="no pairwise vote is on 'motion'"):
        select(votes_on("p1", "1"), dimension="motion")
    mixed = [*votes_on("p1", "1"), vote("p2", "a", pair_id="p1-m1-m2", annotator="z")]
    with pytest.raises(UsageError, match="on other clips than the first vote"):
        select(mixed)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.sampled_from([0.0, 0.4, 1.0]), st.sampled_from([None, 1]))
def test_every_pair_voted_on_is_kept_or_dropped_by_one_rule(seed, min_votes, margin, cap):
    votes = random_votes(seed)
    rules = PairRules(min_votes=min_votes, min_margin=margin, max_pairs_per_prompt=cap)
    candidates = candidate_votes(votes, rules)
    found = select_pairs(candidates, rules)
    assert len(found.pairs) + sum(found.dropped.values()) == candidates["pair_id"].nunique()
    for pair in found.pairs:
        outcomes = [one["outcome"] for one in pair.votes]
        wins, losses = outcomes.count("chosen"), outcomes.count("rejected")
        assert wins > losses
        assert 0.5 < pair.share <= 1
        assert pair.share == wins / (wins + losses)
        assert len(outcomes) >= min_votes
        assert pair.margin >= margin
        assert {one["annotator"] for one in pair.votes} <= {"ann-0", "ann-1"}  # ann-2 is excluded
