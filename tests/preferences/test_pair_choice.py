"""Balanced choices are balanced to within one; active ones go by the fall in variance, with known chances."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepbench.errors import UsageError
from stepbench.preferences.candidates import Candidate
from stepbench.preferences.pairing import choose_active, choose_balanced, variance_drop
from stepbench.preferences.rating_spread import rating_spread
from stepbench.stats import davidson


def _candidates(prompts: int, models: int, seeds: int = 1) -> list[Candidate]:
    return [
        Candidate(
            pair_id=f"{prompt}-{one}-{two}-{seed}",
            first={"prompt_id": f"p{prompt}", "model": f"m{one}"},
            second={"prompt_id": f"p{prompt}", "model": f"m{two}"},
        )
        for prompt in range(prompts)
        for one, two in combinations(range(models), 2)
        for seed in range(seeds)
    ]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 8), st.integers(2, 5), st.integers(1, 2), st.data())
def test_prompts_and_models_come_equally_often(prompts: int, models: int, seeds: int, data: st.DataObject) -> None:
    candidates = _candidates(prompts, models, seeds)
    count = data.draw(st.integers(1, len(candidates)))
    rng = np.random.default_rng(data.draw(st.integers(0, 5)))
    chosen = [one.candidate for one in choose_balanced(candidates, count, rng)]
    assert len({one.pair_id for one in chosen}) == count
    by_prompt = Counter({f"p{number}": 0 for number in range(prompts)})
    by_prompt.update(one.prompt_id for one in chosen)
    assert max(by_prompt.values()) - min(by_prompt.values()) <= 1
    by_couple = Counter({one.couple: 0 for one in candidates})
    by_couple.update(one.couple for one in chosen)
    assert max(by_couple.values()) - min(by_couple.values()) <= 1


def test_models_come_equally_often_where_prompts_are_as_many_as_couples() -> None:
    for seed in range(20):
        chosen = choose_balanced(_candidates(6, 4), 30, np.random.default_rng(seed))
        assert set(Counter(one.candidate.couple for one in chosen).values()) == {5}
        assert set(Counter(one.candidate.prompt_id for one in chosen).values()) == {5}


def test_a_choice_depends_on_its_seed_alone() -> None:
    candidates = _candidates(10, 4)
    picks = [
        [one.candidate.pair_id for one in choose_balanced(candidates, 20, np.random.default_rng(seed))]
        for seed in (0, 0, 1)
    ]
    assert picks[0] == picks[1] != picks[2]
    assert len(choose_balanced(candidates, None, np.random.default_rng(0))) == 60


@pytest.mark.parametrize("count", [0, 61])
def test_an_impossible_number_of_pairs_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match=f"must be from 1 to 60, which is all there are, got {count}"):
        choose_balanced(_candidates(10, 4), count, np.random.default_rng(0))


def test_the_fall_in_variance_is_that_of_the_inverse_with_one_vote_more() -> None:
    rng = np.random.default_rng(0)
    root = rng.standard_normal((4, 4))
    precision = root @ root.T + np.eye(4)
    weight = np.full((4, 4), 0.23)
    drop = variance_drop(np.linalg.inv(precision), weight)
    for i, j in combinations(range(4), 2):
        x = np.zeros(4)
        x[i], x[j] = 1, -1
        direct = np.trace(np.linalg.inv(precision)) - np.trace(np.linalg.inv(precision + 0.23 * np.outer(x, x)))
        assert drop[i, j] == pytest.approx(direct)
        assert drop[j, i] == pytest.approx(direct)


def test_what_one_vote_tells_is_its_share_of_the_fit() -> None:
    rng = np.random.default_rng(1)
    rows = [(*rng.choice(["x", "y", "z"], 2, replace=False), rng.choice(["a", "b", "tie"])) for _ in range(60)]
    votes = pd.DataFrame(rows, columns=["model_a", "model_b", "winner"])
    covariance, weight = rating_spread(votes, ["x", "y", "z"])
    np.testing.assert_allclose(covariance, covariance.T)
    np.testing.assert_allclose(covariance.sum(axis=0), 0, atol=1e-12)
    counts = [np.zeros((3, 3)) for _ in range(3)]
    for a, b, winner in rows:
        counts[["a", "b", "tie"].index(winner)]["xyz".index(a), "xyz".index(b)] += 1
    fitted = davidson.fit(davidson.Counts(*counts))
    before = davidson.information(fitted, davidson.Counts(*counts))
    more = counts[0].copy()
    more[0, 2] += 1
    after = davidson.information(fitted, davidson.Counts(more, counts[1], counts[2]))
    # One vote of x against z adds its information at (x, x); the side effect's part is not in `weight`.
    assert weight[0, 2] == pytest.approx(after[0, 0] - before[0, 0], rel=0.05)


def test_chances_are_those_that_draws_follow_and_at_least_the_uniform_share() -> None:
    candidates = _candidates(1, 3)
    covariance, weight = np.diag([4.0, 1.0, 0.1]), np.full((3, 3), 0.25)
    drop = variance_drop(covariance, weight)
    expected = {}
    for one in candidates:
        i, j = (int(model[1]) for model in one.couple)
        expected[one.pair_id] = 0.2 / 3 + 0.8 * drop[i, j] / (drop[0, 1] + drop[0, 2] + drop[1, 2])
    rng, drawn = np.random.default_rng(0), Counter()
    for _ in range(3000):
        (one,) = choose_active(candidates, 1, rng, models=["m0", "m1", "m2"], covariance=covariance, weight=weight)
        drawn[one.candidate.pair_id] += 1
        assert one.propensity == pytest.approx(expected[one.candidate.pair_id])
        assert one.propensity >= 0.2 / 3
    for pair, chance in expected.items():
        assert abs(drawn[pair] / 3000 - chance) < 4 * np.sqrt(chance * (1 - chance) / 3000)
    assert sum(expected.values()) == pytest.approx(1)


def test_active_draws_do_not_dwell_on_one_pair_of_models() -> None:
    candidates = _candidates(40, 3)
    options = {"models": ["m0", "m1", "m2"], "covariance": np.diag([9.0, 9.0, 9.0]), "weight": np.full((3, 3), 0.25)}
    chosen = choose_active(candidates, 60, np.random.default_rng(0), **options)
    couples = Counter(one.candidate.couple for one in chosen)
    assert max(couples.values()) <= 30, "after each draw its pair tells less"
    with pytest.raises(UsageError, match=r"exploration must be from 0.2 to 1, got 0.1"):
        choose_active(candidates, 1, np.random.default_rng(0), exploration=0.1, **options)
