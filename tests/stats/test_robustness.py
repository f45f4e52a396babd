"""What first place hangs on: brute force over all removals, refits by hand, and tables that give no answer."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from tables_of_votes import ballots, rng, simulated

from stepbench.errors import NotComparableError
from stepbench.stats import StatisticsError, bradley_terry, first_place, leave_one_out


def leader_of(votes: pd.DataFrame) -> str:
    return bradley_terry(votes, rng=rng(), draws=1)["model"].iloc[0]


def fewest_by_trying_all(votes: pd.DataFrame) -> int:
    """The smallest number of votes without which somebody else leads. Equal votes need not be told apart."""
    kinds = [group for _, group in votes.groupby(["model_a", "model_b", "winner"])]
    leader, best = leader_of(votes), len(votes)
    for taken in itertools.product(*(range(len(kind) + 1) for kind in kinds)):
        if sum(taken) >= best:
            continue
        rest = pd.concat([kind.iloc[number:] for kind, number in zip(kinds, taken, strict=True)])
        if rest[["model_a", "model_b"]].stack().nunique() < votes[["model_a", "model_b"]].stack().nunique():
            continue
        table = bradley_terry(rest, rng=rng(), draws=1)
        ratings = table.set_index("model")["rating"]
        if ratings.drop(leader).max() > ratings[leader] + 1e-6:
            best = sum(taken)
    return best


@pytest.mark.parametrize(
    "groups",
    [
        (("x", "y", "a", 4), ("x", "y", "b", 1), ("y", "x", "a", 2), ("y", "x", "b", 3)),
        (("x", "y", "a", 3), ("y", "x", "a", 2), ("y", "z", "tie", 2), ("z", "x", "b", 2), ("x", "z", "b", 1)),
        (("x", "y", "a", 5), ("y", "z", "a", 3), ("z", "x", "a", 4), ("y", "x", "tie", 1)),
    ],
    ids=["two models", "three models with ties", "a cycle"],
)
def test_the_fewest_votes_are_those_of_trying_all_removals(groups):
    votes = ballots(*groups)
    assert first_place(votes).n_removed == fewest_by_trying_all(votes)


def test_without_the_votes_named_somebody_else_leads_and_with_one_of_them_nobody_does():
    votes = simulated(rng(1), np.array([0.3, 0.15, 0.0, -0.4]), np.arange(600) % 100, np.arange(600) % 12)
    votes = pd.concat([votes, votes.iloc[:40].assign(winner="both_bad")], ignore_index=True)
    found = first_place(votes)
    assert found.leader == leader_of(votes)
    assert found.n_removed == len(found.rows)
    assert found.n_votes == 600
    assert found.share == pytest.approx(found.n_removed / 600)
    assert (votes.iloc[list(found.rows)]["winner"] != "both_bad").all()
    assert leader_of(votes.drop(index=list(found.rows))) == found.new_leader != found.leader
    assert leader_of(votes.drop(index=list(found.rows)[:-1])) == found.leader


def test_a_two_model_margin_is_about_wins_minus_losses():
    found = first_place(ballots(("x", "y", "a", 60), ("y", "x", "b", 60), ("x", "y", "b", 50), ("y", "x", "a", 50)))
    assert (found.leader, found.second, found.new_leader) == ("x", "y", "y")
    assert 19 <= found.n_removed <= 21  # 120 against 100; taken from one side only they move the side effect a little


def test_a_table_that_only_one_model_wins_cannot_be_flipped():
    found = first_place(ballots(("x", "y", "a", 10), ("y", "x", "b", 10)))
    assert (found.n_removed, found.new_leader, found.rows) == (None, None, ())
    assert np.isnan(found.share)


def test_leaving_out_equals_a_fit_without():
    votes = simulated(rng(2), np.array([0.4, 0.3, -0.7]), np.arange(300) % 60, np.arange(300) % 40)
    votes["category"] = np.where(votes["prompt_id"] % 3 == 0, "people", "scenery")
    whole = bradley_terry(votes, rng=rng(), draws=1).set_index("model")["rating"]
    for column in ("annotator", "category"):
        table = leave_one_out(votes, column)
        assert set(table["dropped"]) == set(votes[column])
        for row in table.iloc[[0, -1]].itertuples():
            rest = votes[votes[column] != row.dropped]
            ratings = bradley_terry(rest, rng=rng(), draws=1).set_index("model")["rating"]
            ordered = ratings.sort_values().to_numpy()
            assert row.votes == len(votes) - len(rest)
            assert row.leader == ratings.idxmax()
            assert row.lead == pytest.approx(ordered[-1] - ordered[-2], abs=1e-5)
            assert row.largest_change == pytest.approx((ratings - whole).abs().max(), abs=1e-5)


def test_the_annotator_on_whom_first_place_hangs_comes_first():
    fair = ballots(("x", "y", "a", 24), ("x", "y", "b", 24), ("y", "x", "a", 24), ("y", "x", "b", 24))
    fan = ballots(("x", "y", "a", 10), ("y", "x", "b", 10)).assign(annotator="fan of x")
    table = leave_one_out(pd.concat([fair.iloc[:-1], fan]), "annotator")
    assert table.attrs["leader"] == "x"
    assert table.iloc[0]["dropped"] == "fan of x"
    assert table.iloc[0]["leader"] == "y"
    assert list(table["changed"]) == [True] + [False] * 12


def test_a_rest_that_connects_not_all_models_has_no_leader():
    votes = ballots(("x", "y", "a", 6), ("y", "x", "b", 6), ("y", "z", "a", 3))
    votes["category"] = ["xy"] * 12 + ["yz"] * 3
    row = leave_one_out(votes, "category").set_index("dropped").loc["yz"]
    assert row["leader"] is None
    assert not row["changed"]
    assert np.isnan(row["lead"])


def test_no_votes_and_groups_without_a_common_scale():
    empty = leave_one_out(ballots(), "annotator")
    assert list(empty.columns) == ["dropped", "votes", "leader", "changed", "lead", "largest_change"]
    assert empty.empty
    with pytest.raises(StatisticsError, match="first place needs votes on two models or more, got none"):
        first_place(ballots())
    apart = ballots(("x", "y", "a", 5), ("u", "v", "b", 5))
    with pytest.raises(NotComparableError, match=r"groups of models, so they share no scale: \{u, v\}; \{x, y\}"):
        first_place(apart)
    with pytest.raises(NotComparableError, match="share no scale"):
        leave_one_out(apart, "annotator")


def test_a_missing_column_and_a_row_without_a_value_are_refused():
    votes = ballots(("x", "y", "a", 3))
    with pytest.raises(StatisticsError, match="votes have no column 'category'"):
        leave_one_out(votes, "category")
    with pytest.raises(StatisticsError, match="vote at row 1 has no category"):
        leave_one_out(votes.assign(category=["c", None, "c"]), "category")
