"""What must not matter does not: names, order of rows, sides, units, copies. Random inputs by hypothesis."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables_of_votes import rng, swapped

from stepbench.stats import (
    benjamini_hochberg,
    bootstrap_interval,
    bradley_terry,
    e_process,
    first_place,
    gwet_ac2,
    holm,
    human_agreement,
    krippendorff_alpha,
    leave_one_out,
    mean_interval,
    metric_agreement,
    paired_difference,
    set_metric_difference,
    shrink_means,
)

quickly = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10**6)
scales = st.floats(0.01, 100)
shifts = st.floats(-100, 100)
values = st.lists(st.integers(-1000, 1000).map(lambda number: number / 8), min_size=3, max_size=12)


def some_votes(seed: int) -> pd.DataFrame:
    """Votes on a chain of four models, so that all are connected, with ties and both-bad answers."""
    generator = rng(seed)
    n = int(generator.integers(20, 60))
    a = generator.integers(0, 4, size=n)
    b = (a + generator.integers(1, 4, size=n)) % 4
    a[:3], b[:3] = [0, 1, 2], [1, 2, 3]
    winner = generator.choice(["a", "b", "tie", "both_bad"], p=[0.4, 0.35, 0.15, 0.1], size=n)
    winner[:3] = "a"
    return pd.DataFrame(
        {
            "model_a": np.array(list("wxyz"))[a],
            "model_b": np.array(list("wxyz"))[b],
            "winner": winner,
            "prompt_id": generator.integers(0, 10, size=n),
            "annotator": generator.integers(0, 5, size=n),
        }
    )


def rated(votes: pd.DataFrame) -> pd.DataFrame:
    return bradley_terry(votes, rng=rng(), draws=50).set_index("model")[["rating", "low", "high"]].sort_index()


def some_ratings(seed: int) -> np.ndarray:
    generator = rng(seed)
    ratings = generator.integers(1, 6, size=(4, 15)).astype(float)
    ratings[generator.random(ratings.shape) < 0.25] = np.nan
    ratings[:2, :2] = [[1, 5], [2, 4]]
    return ratings


@quickly
@given(seeds)
def test_ratings_follow_their_models_whatever_these_are_called(seed):
    votes = some_votes(seed)
    names = dict(zip("wxyz", ["q3", "q1", "q4", "q2"], strict=True))
    renamed = votes.replace({"model_a": names, "model_b": names})
    pd.testing.assert_frame_equal(rated(votes).rename(index=names).sort_index(), rated(renamed), atol=1e-6)


@quickly
@given(seeds)
def test_ratings_do_not_depend_on_rows_or_on_names_of_prompts_and_annotators(seed):
    votes = some_votes(seed)
    mixed = votes.sample(frac=1, random_state=seed).assign(
        prompt_id=lambda table: "p" + table["prompt_id"].astype(str), annotator=lambda table: -table["annotator"]
    )
    pd.testing.assert_frame_equal(rated(votes), rated(mixed), atol=1e-6)


@quickly
@given(seeds)
def test_exchanging_all_sides_moves_the_side_effect_alone(seed):
    votes = some_votes(seed)
    pd.testing.assert_frame_equal(rated(votes), rated(swapped(votes)), atol=1e-6)
    effects = [bradley_terry(table, rng=rng(), draws=1).attrs["side_effect"] for table in (votes, swapped(votes))]
    assert effects[0] == pytest.approx(-effects[1], abs=1e-6)


@quickly
@given(seeds)
def test_turning_every_verdict_turns_the_ratings(seed):
    votes = some_votes(seed)
    turned = votes.replace({"winner": {"a": "b", "b": "a"}})
    # Who wins as A now loses as A: ratings and the side effect change sign.
    assert rated(turned)["rating"].to_numpy() == pytest.approx(-rated(votes)["rating"].to_numpy(), abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_robustness_does_not_depend_on_rows_or_sides(seed):
    votes = some_votes(seed)
    mixed = swapped(votes.sample(frac=1, random_state=seed))
    left, right = first_place(votes), first_place(mixed)
    assert (left.leader, left.second, left.n_votes) == (right.leader, right.second, right.n_votes)
    assert left.lead == pytest.approx(right.lead, abs=1e-6)
    columns = ["dropped", "votes", "lead", "largest_change"]
    tables = [
        leave_one_out(table, "annotator")[columns].sort_values("dropped", ignore_index=True) for table in (votes, mixed)
    ]
    pd.testing.assert_frame_equal(*tables, atol=1e-5)


@quickly
@given(values, scales, shifts, st.booleans())
def test_means_change_with_their_unit(numbers, scale, shift, upside_down):
    factor = -scale if upside_down else scale
    before, after = mean_interval(numbers), mean_interval(np.array(numbers) * factor + shift)
    ends = sorted([before.low * factor + shift, before.high * factor + shift])
    assert [after.low, after.high] == pytest.approx(ends, rel=1e-6, abs=1e-6 * (1 + scale * 1000))


@quickly
@given(values, scales, shifts)
def test_bootstrap_intervals_change_with_their_unit(numbers, scale, shift):
    before, after = (
        bootstrap_interval(changed, rng=rng(1), draws=200) for changed in (numbers, np.array(numbers) * scale + shift)
    )
    tolerance = 1e-6 * (1 + scale * 1000)
    assert (after.low, after.high) == pytest.approx(
        (before.low * scale + shift, before.high * scale + shift), abs=tolerance
    )


@quickly
@given(values, st.integers(2, 5))
def test_copies_of_a_seed_add_nothing(numbers, copies):
    once = mean_interval(numbers)
    often = mean_interval(np.repeat(numbers, copies), np.repeat(np.arange(len(numbers)), copies))
    assert (often.low, often.estimate, often.high) == pytest.approx((once.low, once.estimate, once.high))
    assert (often.n, often.n_clusters) == (copies * once.n, once.n)


@quickly
@given(seeds, scales)
def test_a_paired_difference_knows_neither_unit_nor_order_nor_what_both_sides_share(seed, scale):
    a, b, shared = rng(seed).normal(size=(3, 9))
    order = rng(seed + 1).permutation(9)
    plain = paired_difference(a, b, rng=rng())
    changed = paired_difference(((a + shared) * scale)[order], ((b + shared) * scale)[order], rng=rng())
    assert (changed.low, changed.high) == pytest.approx((plain.low * scale, plain.high * scale))
    assert (changed.p, changed.wins, changed.losses) == (plain.p, plain.wins, plain.losses)
    assert changed.effect_size == pytest.approx(plain.effect_size)


@quickly
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_corrections_go_with_their_p_values_in_any_order(p, random):
    p = np.array(p)
    order = np.array(random.sample(range(p.size), p.size))
    for adjust in (holm, benjamini_hochberg):
        assert adjust(p[order]) == pytest.approx(adjust(p)[order])
    assert (p <= benjamini_hochberg(p) + 1e-12).all()
    assert (benjamini_hochberg(p) <= holm(p) + 1e-12).all()


@quickly
@given(seeds)
def test_agreement_knows_neither_annotators_nor_items_by_name(seed):
    ratings, generator = some_ratings(seed), rng(seed)
    mixed = ratings[generator.permutation(4)][:, generator.permutation(15)]
    for level in ("nominal", "ordinal", "interval", "ratio"):
        assert krippendorff_alpha(mixed, level) == pytest.approx(krippendorff_alpha(ratings, level))
        assert gwet_ac2(mixed, level) == pytest.approx(gwet_ac2(ratings, level))


@quickly
@given(seeds, scales, shifts)
def test_each_scale_ignores_what_it_does_not_measure(seed, scale, shift):
    ratings = some_ratings(seed)
    shuffled = np.array([0, 40, 10, 50, 20, 30])[np.nan_to_num(ratings).astype(int)] + 0 * ratings
    assert krippendorff_alpha(shuffled, "nominal") == pytest.approx(krippendorff_alpha(ratings, "nominal"))
    assert gwet_ac2(shuffled, "nominal") == pytest.approx(gwet_ac2(ratings, "nominal"))
    assert krippendorff_alpha(ratings**3, "ordinal") == pytest.approx(krippendorff_alpha(ratings, "ordinal"))
    assert gwet_ac2(ratings**3, "ordinal") == pytest.approx(gwet_ac2(ratings, "ordinal"))
    for coefficient in (krippendorff_alpha, gwet_ac2):
        moved = coefficient(ratings * scale + shift, "interval")
        assert moved == pytest.approx(coefficient(ratings, "interval"), abs=1e-6)
        assert coefficient(ratings * scale, "ratio") == pytest.approx(coefficient(ratings, "ratio"))


@quickly
@given(seeds)
def test_ac2_of_copied_items_is_the_same(seed):
    ratings = some_ratings(seed)
    assert gwet_ac2(np.tile(ratings, 3)) == pytest.approx(gwet_ac2(ratings))


@quickly
@given(seeds, scales, shifts)
def test_shrinking_changes_with_the_unit_and_follows_its_groups(seed, scale, shift):
    generator = rng(seed)
    means, errors, order = generator.normal(size=6), generator.uniform(0.2, 1, 6), generator.permutation(6)
    plain = shrink_means(means, errors)
    changed = shrink_means((means * scale + shift)[order], (errors * scale)[order])
    for name in ("shrunk", "low", "high"):
        expected = plain[name].to_numpy()[order] * scale + shift
        assert changed[name].to_numpy() == pytest.approx(expected, rel=1e-6, abs=1e-6)


@quickly
@given(seeds)
def test_set_differences_change_sign_with_the_sides(seed):
    a, b = rng(seed).normal(size=(2, 10, 3))
    spread = partial(set_metric_difference, reference=1.0, statistic=lambda x, y: float(x.std() - y), draws=60)
    there, back = spread(a, b, rng=rng(), permutations=20), spread(b, a, rng=rng(), permutations=20)
    assert (there.estimate, there.low, there.high) == pytest.approx((-back.estimate, -back.high, -back.low), abs=1e-9)
    assert there.p == back.p


@quickly
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=40))
def test_evidence_against_one_half_knows_no_sides_and_no_ties(outcomes):
    evidence = e_process(outcomes)
    assert e_process(1 - np.array(outcomes)) == pytest.approx(evidence)
    decided = [outcome for outcome in outcomes if outcome != 0.5]
    assert e_process(decided)[-1:] == pytest.approx(evidence[-1:] if decided else [])


@quickly
@given(seeds, scales)
def test_metrics_are_judged_alike_in_any_unit_order_and_side(seed, scale):
    generator = rng(seed)
    differences = np.round(generator.normal(size=40), 2)
    outcomes = generator.integers(-1, 2, size=40).astype(float)
    prompts = generator.integers(0, 9, size=40)
    order, flip = generator.permutation(40), generator.choice([-1.0, 1.0], size=40)
    plain = metric_agreement(differences, outcomes, prompts, rng=rng())
    changed = metric_agreement((differences * flip * scale)[order], (outcomes * flip)[order], prompts[order], rng=rng())
    for name in ("chance", "decided", "called_ties", "p"):
        assert getattr(changed, name) == pytest.approx(getattr(plain, name))
    assert changed.threshold == pytest.approx(plain.threshold * scale)
    assert (changed.accuracy.low, changed.accuracy.high) == pytest.approx((plain.accuracy.low, plain.accuracy.high))


@quickly
@given(seeds)
def test_people_agree_alike_from_either_side_of_a_pair(seed):
    generator = rng(seed)
    outcomes, pairs, people = generator.integers(-1, 2, 30), generator.integers(0, 6, 30), generator.integers(0, 5, 30)
    flips = generator.choice([-1, 1], size=6)
    order = generator.permutation(30)
    plain = human_agreement(outcomes, pairs, people)
    changed = human_agreement((outcomes * flips[pairs])[order], pairs[order], people[order])
    assert changed == pytest.approx(plain[order], nan_ok=True)
