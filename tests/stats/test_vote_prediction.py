"""Metric against votes: accuracy with ties by hand, brute force and scipy; chance; agreement of people; refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from stepbench.stats import StatisticsError, human_agreement, metric_agreement
from stepbench.stats.vote_prediction import best_threshold, predicted, tie_threshold


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_accuracy_with_ties_by_hand():
    # Two of five votes are ties, so the two smallest differences are called ties: 0.1 rightly, 0.2 wrongly.
    differences = [3.0, -2.0, 0.1, 0.2, 1.0]
    outcomes = [1, -1, 0, 1, 0]
    found = metric_agreement(differences, outcomes, list("vwxyz"), rng=rng())
    assert (found.threshold, found.called_ties) == (0.2, 0.4)
    assert list(found.correct) == [True, True, True, False, False]
    assert found.accuracy.estimate == pytest.approx(3 / 5)
    # By coin: half of the two votes 3.0 and -2.0, the tie at 0.1, and nothing at 0.2 and 1.0.
    assert found.chance == pytest.approx((0.5 + 0.5 + 1) / 5)
    assert found.decided == 1.0
    # Calling 0.1 alone a tie predicts 3.0, -2.0, 0.1 and 0.2.
    assert found.best == pytest.approx(4 / 5)
    # The signs agree on three votes with a winner: all of 2^3 flips, two as extreme.
    assert found.p == pytest.approx(2 / 8)
    assert (found.n_votes, found.n_prompts) == (5, 5)


def test_without_ties_accuracy_is_kendalls_concordance():
    scores, human = rng(1).normal(size=(2, 12))
    i, j = np.triu_indices(12, 1)
    outcomes = np.sign(human[i] - human[j])
    found = metric_agreement(scores[i] - scores[j], outcomes, np.arange(i.size), rng=rng())
    # tau = concordant minus discordant over all pairs = 2 accuracy - 1.
    assert 2 * found.accuracy.estimate - 1 == pytest.approx(scipy_stats.kendalltau(scores, human).statistic)
    assert found.threshold == 0.0
    assert found.accuracy.estimate == found.best == found.decided


def test_the_best_threshold_is_found_by_trying_all():
    for seed in range(30):
        generator = rng(seed)
        differences = np.round(generator.normal(size=25), 1)
        outcomes = generator.integers(-1, 2, size=25).astype(float)
        tried = np.append(0.0, np.abs(differences))
        reached = [predicted(differences, outcomes, threshold).sum() for threshold in tried]
        best = best_threshold(differences, outcomes)
        assert predicted(differences, outcomes, best).sum() == max(reached)
        assert best == tried[np.flatnonzero(np.array(reached) == max(reached))].min()


def test_as_many_ties_are_called_as_there_are():
    generator = rng(2)
    differences = generator.normal(size=200)
    outcomes = generator.choice([-1.0, 0.0, 1.0], size=200, p=[0.4, 0.25, 0.35])
    called = np.abs(differences) <= tie_threshold(differences, outcomes)
    assert called.sum() == (outcomes == 0).sum()
    # A metric of few values calls as many as come nearest: 60 equal scores stand against 10 ties and none.
    few = np.repeat([0.0, 1.0], [60, 40])
    assert tie_threshold(few, np.repeat([0.0, 1.0], [10, 90])) == 0.0
    assert tie_threshold(np.repeat([0.0, 1.0], [30, 70]), np.repeat([0.0, 1.0], [80, 20])) == 1.0


def test_prompts_count_alike_and_repeating_their_votes_adds_no_certainty():
    generator = rng(3)
    differences = generator.normal(size=40)
    outcomes = np.sign(differences + generator.normal(size=40))
    once = metric_agreement(differences, outcomes, np.arange(40), rng=rng())
    often = metric_agreement(*(np.repeat(part, 5) for part in (differences, outcomes, np.arange(40))), rng=rng())
    assert (often.accuracy.low, often.accuracy.high) == pytest.approx((once.accuracy.low, once.accuracy.high))
    assert (often.p, often.n_votes, often.n_prompts) == (once.p, 200, 40)


def test_a_useless_metric_stays_at_chance_and_false_alarms_at_five_percent():
    generator = rng(4)
    alarms, above = 0, []
    for _ in range(400):
        # Three votes on each prompt that share the prompt's taste, and a metric that knows nothing of it.
        taste = np.repeat(generator.normal(0, 2, 30), 3) + generator.normal(size=90)
        outcomes = np.where(np.abs(taste) < 0.5, 0, np.sign(taste))
        score = np.repeat(generator.normal(size=30), 3)
        found = metric_agreement(score, outcomes, np.repeat(np.arange(30), 3), rng=generator)
        alarms += found.p <= 0.05
        above.append(found.accuracy.estimate - found.chance)
    assert 0.02 <= alarms / 400 <= 0.085
    assert np.mean(above) == pytest.approx(0, abs=3 * np.std(above) / 20)


def test_a_metric_read_upside_down_has_the_mirrored_direction():
    generator = rng(5)
    differences = generator.normal(size=60)
    outcomes = np.sign(differences + generator.normal(0, 0.5, 60))
    right, wrong = (metric_agreement(sign * differences, outcomes, np.arange(60), rng=rng()) for sign in (1, -1))
    assert right.decided == pytest.approx(1 - wrong.decided)
    assert right.decided > 0.7
    assert right.p == wrong.p < 0.001


def test_no_vote_and_one_prompt():
    empty = metric_agreement([], [], [], rng=rng())
    assert all(math.isnan(x) for x in (empty.accuracy.estimate, empty.chance, empty.decided, empty.p, empty.best))
    assert (empty.n_votes, empty.threshold) == (0, 0.0)
    one = metric_agreement([1.0, 2.0], [1, -1], ["p", "p"], rng=rng())
    assert one.accuracy.estimate == 0.5
    assert math.isnan(one.accuracy.low)
    assert one.p == 1.0


def test_people_agree_by_hand():
    outcomes = [1, 1, 0, -1, 1]
    shares = human_agreement(outcomes, ["x", "x", "x", "y", "z"], ["ann", "bob", "cai", "ann", "bob"])
    assert shares[:3] == pytest.approx([0.5, 0.5, 0.0])
    assert np.isnan(shares[3:]).all()
    # The same person again is nobody else.
    again = human_agreement([1, 1, 0], ["x"] * 3, ["ann", "ann", "bob"])
    assert again == pytest.approx([0, 0, 0])
    assert human_agreement([], [], []).shape == (0,)


def test_agreement_of_people_is_the_observed_agreement_of_two_raters():
    first, second = rng(6).integers(-1, 2, size=(2, 50))
    shares = human_agreement(np.concatenate([first, second]), np.tile(np.arange(50), 2), np.repeat(["ann", "bob"], 50))
    assert shares.mean() == pytest.approx((first == second).mean())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, float("nan")], [1, 0], ["p", "q"]), "differences must be finite"),
        (([1.0], [1, 0], ["p"]), "one outcome per difference, got 2 for 1 differences"),
        (([1.0], [2], ["p"]), "an outcome is 1, 0 or -1, got 2"),
        (([1.0], [1], [None]), "prompts has no label at index 0"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(StatisticsError, match=message):
        metric_agreement(*arguments, rng=rng())


def test_an_impossible_level_and_uneven_labels_are_refused():
    with pytest.raises(StatisticsError, match="level must lie between 0 and 1, got 95"):
        metric_agreement([1.0], [1], ["p"], rng=rng(), level=95)
    with pytest.raises(StatisticsError, match="annotators must give one label per value"):
        human_agreement([1.0], ["p"], [])
