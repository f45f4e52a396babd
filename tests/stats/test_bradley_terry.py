"""Ratings: closed forms, independent optimisers, simulated coverage over prompts and annotators, and refused votes."""

from __future__ import annotations

import math

import choix
import evalica
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from tables_of_votes import ballots, rng, simulated, swapped

from stepbench.errors import ExitCode, NotComparableError
from stepbench.stats import StatisticsError, bradley_terry
from stepbench.stats.davidson import RATING_SD, SIDE_SD, TIE_SD, Counts, fit
from stepbench.stats.ratings import rank_intervals


def by_model(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index("model").sort_index()


def test_two_models_differ_by_their_log_odds():
    votes = ballots(("x", "y", "a", 350), ("x", "y", "b", 150), ("y", "x", "a", 150), ("y", "x", "b", 350))
    table = bradley_terry(votes, rng=rng())
    assert list(table["model"]) == ["x", "y"]
    assert table["rating"].sum() == pytest.approx(0, abs=1e-12)
    assert table["rating"].iloc[0] - table["rating"].iloc[1] == pytest.approx(math.log(700 / 300), abs=1e-3)
    assert table.attrs["side_effect"] == pytest.approx(0, abs=1e-9)
    # Standard error of a log odds: sqrt(1 / 700 + 1 / 300); each rating is half the difference.
    assert table["high"].iloc[0] - table["rating"].iloc[0] == pytest.approx(1.96 * 0.069 / 2, rel=0.15)


def test_ties_leave_the_odds_of_two_models_alone():
    votes = ballots(("x", "y", "a", 70), ("y", "x", "b", 70), ("x", "y", "b", 30), ("y", "x", "a", 30))
    ties = ballots(("x", "y", "tie", 50), ("y", "x", "tie", 50))
    without, with_ties = bradley_terry(votes, rng=rng()), bradley_terry(pd.concat([votes, ties]), rng=rng())
    assert with_ties["rating"].to_numpy() == pytest.approx(without["rating"].to_numpy(), abs=2e-3)
    # Davidson: ties over the root of wins times losses.
    assert with_ties.attrs["tie_parameter"] == pytest.approx(100 / math.sqrt(140 * 60), rel=0.01)
    assert without.attrs["tie_parameter"] == 0.0


def test_ratings_equal_choix_when_nobody_ties():
    votes = simulated(rng(1), np.array([0.8, 0.2, -0.1, -0.9]), np.arange(400), np.arange(400) % 20, tie=0.0)
    votes = pd.concat([votes, swapped(votes)])  # as many votes on either side: no side effect
    won = [
        (row.model_a, row.model_b) if row.winner == "a" else (row.model_b, row.model_a) for row in votes.itertuples()
    ]
    # choix penalises alpha * sum of squares, the prior of ours 1 / (2 sd^2) * sum of squares.
    expected = choix.opt_pairwise(4, won, alpha=1 / (2 * RATING_SD**2), tol=1e-10)
    ratings = by_model(bradley_terry(votes, rng=rng()))["rating"]
    assert ratings.to_numpy() == pytest.approx(expected - expected.mean(), abs=1e-4)


def test_ratings_equal_evalica_on_many_votes():
    votes = simulated(rng(11), np.array([0.7, 0.3, 0.0, -1.0]), np.arange(4000), np.arange(4000) % 40, tie=0.0)
    votes = pd.concat([votes, swapped(votes)])
    winners = [{"a": evalica.Winner.X, "b": evalica.Winner.Y}[winner] for winner in votes["winner"]]
    scores = np.log(
        evalica.bradley_terry(votes["model_a"], votes["model_b"], winners, tolerance=1e-10).scores.sort_index()
    )
    ratings = by_model(bradley_terry(votes, rng=rng()))["rating"]
    # Without a prior there; with 8,000 votes ours moves nothing beyond the third digit.
    assert ratings.to_numpy() == pytest.approx((scores - scores.mean()).to_numpy(), abs=2e-3)


def test_where_others_return_numbers_there_is_a_clear_answer():
    # A beats B ten times of ten, B and C share ten: evalica 0.4.2 rates all three alike, without a word.
    table = bradley_terry(
        ballots(("A", "B", "a", 5), ("B", "A", "b", 5), ("B", "C", "a", 5), ("C", "B", "a", 5)), rng=rng()
    ).set_index("model")
    assert table["separable"].to_dict() == {"A": True, "B": False, "C": False}
    assert table.loc["A", "low"] > table.loc["B", "rating"]
    assert any("the prior alone keeps their ratings finite" in note for note in table.attrs["notes"])


def test_the_fit_is_the_maximum_of_the_posterior():
    a_wins, b_wins, ties = rng(2).poisson(6, size=(3, 4, 4)) * (1 - np.eye(4))

    def loss(parameters: np.ndarray) -> float:
        ratings, side, tie = parameters[:4], parameters[4], parameters[5]
        x = ratings[:, None] - ratings[None, :] + side
        total = np.log(np.exp(x / 2) + np.exp(-x / 2) + np.exp(tie))
        likelihood = a_wins * (x / 2 - total) + b_wins * (-x / 2 - total) + ties * (tie - total)
        prior = (ratings**2).sum() / RATING_SD**2 + side**2 / SIDE_SD**2 + tie**2 / TIE_SD**2
        return prior / 2 - likelihood.sum()

    expected = minimize(loss, np.zeros(6), tol=1e-12, options={"gtol": 1e-8}).x
    assert fit(Counts(a_wins, b_wins, ties)) == pytest.approx(expected, abs=1e-5)


def test_many_fits_at_once_equal_fits_one_by_one():
    a_wins, b_wins, ties = rng(3).poisson(3, size=(3, 5, 4, 4)) * (1 - np.eye(4))
    ties[0] = 0
    together = fit(Counts(a_wins, b_wins, ties))
    apart = [fit(Counts(*parts)) for parts in zip(a_wins, b_wins, ties, strict=True)]
    assert together == pytest.approx(np.array(apart), abs=1e-8)
    assert together[0, -1] == 0


@pytest.mark.parametrize("votes", [1e-3, 1.0, 1e4, 1e8])
def test_the_fit_settles_on_extreme_counts(votes):
    only_a = np.array([[0.0, votes], [0.0, 0.0]])
    assert np.isfinite(fit(Counts(only_a, 0 * only_a, 0 * only_a))).all()
    assert np.isfinite(fit(Counts(0 * only_a, 0 * only_a, only_a))).all()


def test_a_side_effect_is_found_and_does_not_move_the_ratings():
    truth = np.array([0.5, 0.0, -0.5])
    votes = simulated(rng(4), truth, np.arange(6000), np.arange(6000) % 50, side=0.4)
    table = by_model(bradley_terry(votes, rng=rng()))
    assert table["rating"].to_numpy() == pytest.approx(truth, abs=0.08)
    assert bradley_terry(votes, rng=rng()).attrs["side_effect"] == pytest.approx(0.4, abs=0.08)
    mirrored = bradley_terry(swapped(votes), rng=rng())
    assert mirrored.attrs["side_effect"] == pytest.approx(-bradley_terry(votes, rng=rng()).attrs["side_effect"])
    assert by_model(mirrored)["rating"].to_numpy() == pytest.approx(table["rating"].to_numpy())


def test_sides_that_were_never_swapped_are_noted_and_hardly_bias():
    table = bradley_terry(ballots(("x", "y", "a", 80), ("x", "y", "b", 20)), rng=rng())
    assert table["rating"].iloc[0] - table["rating"].iloc[1] == pytest.approx(math.log(4), abs=0.03)
    assert any("no pair was ever shown with its sides swapped" in note for note in table.attrs["notes"])


def test_the_order_of_votes_changes_nothing():
    votes = simulated(rng(5), np.zeros(4), np.arange(200) % 50, np.arange(200) % 12)
    shuffled = votes.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(bradley_terry(votes, rng=rng(6)), bradley_terry(shuffled, rng=rng(6)), atol=1e-9)


def test_the_generator_decides_the_draws_and_only_them():
    votes = simulated(rng(5), np.array([0.2, 0.0, -0.2]), np.arange(200) % 50, np.arange(200) % 12)
    pd.testing.assert_frame_equal(bradley_terry(votes, rng=rng(6)), bradley_terry(votes, rng=rng(6)))
    other = bradley_terry(votes, rng=rng(7))
    assert list(other["low"]) == list(bradley_terry(votes, rng=rng(6))["low"])
    assert list(other["p_best"]) != list(bradley_terry(votes, rng=rng(6))["p_best"])


def test_both_bad_stays_out_of_the_ratings_and_lowers_the_acceptable_share():
    votes = ballots(("x", "y", "a", 30), ("y", "x", "a", 20))
    bad = ballots(("x", "z", "both_bad", 10), ("y", "x", "both_bad", 5))
    with pytest.raises(NotComparableError, match="'both bad' connects nothing"):
        bradley_terry(pd.concat([votes, bad]), rng=rng())
    plain = bradley_terry(votes, rng=rng())
    table = bradley_terry(pd.concat([votes, bad[bad["model_b"] == "x"]]), rng=rng())
    assert list(table["rating"]) == list(plain["rating"])
    assert list(table["votes"]) == [55, 55]
    assert list(table["both_bad"]) == [5, 5]
    assert list(table["acceptable"]) == pytest.approx([50 / 55] * 2)
    assert table.attrs["n_both_bad"] == 5


def test_unconnected_groups_have_no_common_scale():
    votes = ballots(("x", "y", "a", 5), ("u", "v", "b", 5), ("v", "w", "tie", 5))
    with pytest.raises(NotComparableError, match=r"\{u, v, w\}; \{x, y\}") as caught:
        bradley_terry(votes, rng=rng())
    assert caught.value.exit_code == ExitCode.NOT_COMPARABLE


def test_separable_votes_give_finite_flagged_ratings():
    table = by_model(bradley_terry(ballots(("x", "y", "a", 10), ("y", "z", "a", 5), ("z", "y", "a", 5)), rng=rng()))
    assert np.isfinite(table[["rating", "low", "high"]]).all(axis=None)
    assert table["rating"]["x"] > table["rating"]["y"]
    assert list(table["separable"]) == [True, False, False]
    assert bradley_terry(ballots(("x", "y", "a", 3)), rng=rng())["separable"].all()


def test_three_unanimous_votes_do_not_settle_a_rank_and_a_hundred_do():
    few, many = (bradley_terry(ballots(("x", "y", "a", n), ("y", "x", "b", n)), rng=rng()) for n in (2, 50))
    assert list(zip(few["rank_low"], few["rank_high"], strict=True)) == [(1, 2), (1, 2)]
    assert list(zip(many["rank_low"], many["rank_high"], strict=True)) == [(1, 1), (2, 2)]


def test_equal_models_share_their_ranks_and_a_clear_winner_does_not():
    truth = np.array([2.0, 0.0, 0.0, -2.0])
    table = by_model(bradley_terry(simulated(rng(8), truth, np.arange(900) % 300, np.arange(900) % 30), rng=rng()))
    assert list(table["rank_low"]) == [1, 2, 2, 4]
    assert list(table["rank_high"]) == [1, 3, 3, 4]
    assert table["p_best"].to_numpy() == pytest.approx([1, 0, 0, 0])


def test_of_many_equal_models_hardly_ever_are_two_told_apart():
    apart = 0
    for seed in range(60):
        votes = simulated(rng(seed), np.zeros(8), np.arange(400) % 40, np.arange(400) % 10)
        table = bradley_terry(votes, rng=rng(seed), draws=300)
        apart += bool((table["rank_low"] > 1).any() or (table["rank_high"] < 8).any())
    # Quantiles of drawn ranks told some apart in nearly every table. With a chance of 5 % more than 8 of 60 have one of
    # 0.4 %.
    assert apart <= 8


def test_two_models_are_told_apart_where_the_interval_of_their_difference_leaves_out_zero():
    covariance = np.array([[1.0, -1.0], [-1.0, 1.0]])  # the difference has a standard error of 2
    deviations = np.random.default_rng(1).standard_normal((200_000, 1)) * np.array([1.0, -1.0])
    for gap, ranks in ((3.90, ([1, 1], [2, 2])), (3.94, ([1, 2], [1, 2]))):
        low, high = rank_intervals(np.array([gap / 2, -gap / 2]), covariance, deviations, 0.95)
        assert (low.tolist(), high.tolist()) == ranks


def test_repeating_votes_of_the_same_people_on_the_same_prompts_adds_no_certainty():
    votes = simulated(rng(9), np.array([0.3, -0.3]), np.arange(300) % 100, np.arange(300) % 15)
    once, often = bradley_terry(votes, rng=rng()), bradley_terry(pd.concat([votes] * 10), rng=rng())
    width = [(table["high"] - table["low"]).iloc[0] for table in (once, often)]
    assert width[1] > 0.8 * width[0]


def test_prompts_count_even_if_one_annotator_judged_them_all():
    votes = simulated(rng(12), np.array([0.3, -0.3]), np.arange(100), np.zeros(100, dtype=int))
    once, often = bradley_terry(votes, rng=rng()), bradley_terry(pd.concat([votes] * 10), rng=rng())
    width = [(table["high"] - table["low"]).iloc[0] for table in (once, often)]
    assert width[1] > 0.8 * width[0]


def coverage(truth: list[float], simulations: int, *, as_if_independent: bool = False, **effects: float) -> float:
    """Share of intervals that hold the truth: 600 votes on 60 prompts by 20 annotators, each prompt seen by ten."""
    generator = rng(10)
    prompts, annotators = np.repeat(np.arange(60), 10), np.tile(np.arange(20), 30)
    hits = 0
    for _ in range(simulations):
        votes = simulated(generator, np.array(truth), prompts, annotators, **effects)
        if as_if_independent:
            votes = votes.assign(prompt_id=np.arange(600), annotator=np.arange(600))
        table = by_model(bradley_terry(votes, rng=generator, draws=1))
        hits += ((table["low"] <= truth) & (truth <= table["high"])).sum()
    return hits / (simulations * len(truth))


def test_intervals_cover_when_prompts_and_annotators_have_favourites():
    effects = {"prompt_sd": 0.8, "annotator_sd": 0.5}
    assert 0.93 <= coverage([0.0, 0.0, 0.0], 2000, **effects) <= 0.97
    assert coverage([0.0, 0.0, 0.0], 200, as_if_independent=True, **effects) < 0.85  # what the clusters are for


@pytest.mark.slow
@pytest.mark.parametrize("truth", [[0.6, 0.0, -0.6], [0.3, -0.3]])
def test_intervals_cover_when_votes_are_independent(truth):
    assert 0.93 <= coverage(truth, 2000) <= 0.97


def test_no_votes_and_one_vote_have_an_answer():
    empty = bradley_terry(ballots(), rng=rng())
    assert len(empty) == 0
    one = bradley_terry(ballots(("x", "y", "a", 1)), rng=rng())
    assert list(one.columns) == list(empty.columns)
    assert list(one["model"]) == ["x", "y"]
    assert one[["low", "high", "p_best"]].isna().all(axis=None)
    assert list(one["rank_low"]) == [1, 1]
    assert list(one["rank_high"]) == [2, 2]
    assert "one prompt: nothing can be said about others, so there are no intervals" in one.attrs["notes"]


def test_few_annotators_are_noted():
    votes = ballots(("x", "y", "a", 20), ("y", "x", "a", 20)).assign(annotator="only me")
    assert (
        "only 1 annotator: the intervals hardly speak for other people"
        in bradley_terry(votes, rng=rng()).attrs["notes"]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"winner": ["a", "left"]}, r"vote at row 1 has an unknown winner: .*'winner': 'left'"),
        ({"winner": ["a", None]}, "vote at row 1 has no winner"),
        ({"model_b": ["y", "x"]}, "vote at row 1 compares a model with itself"),
        ({"prompt_id": [None, "p"]}, "vote at row 0 has no prompt_id"),
        ({"annotator": [float("nan"), 3.0]}, "vote at row 0 has no annotator"),
    ],
)
def test_bad_votes_are_refused_with_their_row(change, message):
    with pytest.raises(StatisticsError, match=message):
        bradley_terry(ballots(("x", "y", "a", 2)).assign(**change), rng=rng())


def test_missing_columns_and_bad_options_are_refused():
    votes = ballots(("x", "y", "a", 2))
    with pytest.raises(StatisticsError, match="missing: prompt_id, annotator"):
        bradley_terry(votes[["model_a", "model_b", "winner"]], rng=rng())
    with pytest.raises(StatisticsError, match="draws must be at least 1, got 0"):
        bradley_terry(votes, rng=rng(), draws=0)
    with pytest.raises(StatisticsError, match="level must lie between 0 and 1, got 1"):
        bradley_terry(votes, rng=rng(), level=1)
