"""Agreement: the published worked example, independent implementations, and what happens without variation."""

from __future__ import annotations

import math
from functools import partial

import evalica
import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from stepbench.stats import StatisticsError, agreement_interval, gwet_ac2, krippendorff_alpha

NAN = float("nan")
# Four observers, twelve units: Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C.
EXAMPLE = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)
LEVELS = ("nominal", "ordinal", "interval", "ratio")


@pytest.mark.parametrize(("level", "alpha"), list(zip(LEVELS, (0.743, 0.815, 0.849, 0.797), strict=True)))
def test_alpha_of_the_published_example(level, alpha):
    assert krippendorff_alpha(EXAMPLE, level) == pytest.approx(alpha, abs=5e-4)


def test_ordinal_is_the_default():
    assert krippendorff_alpha(EXAMPLE) == krippendorff_alpha(EXAMPLE, "ordinal")


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_equals_evalica_on_random_ratings(level):
    rng = np.random.default_rng(0)
    ratings = np.clip(np.round(rng.normal(3, 1, 30) + rng.normal(0, 0.8, (5, 30))), 1, 5)
    ratings[rng.random(ratings.shape) < 0.3] = NAN
    assert krippendorff_alpha(ratings, level) == pytest.approx(evalica.alpha(pd.DataFrame(ratings), level).alpha)


def test_alpha_by_hand():
    # Units (1, 1), (0, 1): coincidences o11 = 2, o01 = o10 = 1, so n1 = 3, n0 = 1, n = 4; expected disagreement 2 * 3.
    # alpha = 1 - (4 - 1) * 2 / 6 = 0.
    assert krippendorff_alpha([[1, 0], [1, 1]], "nominal") == pytest.approx(0.0)


def test_perfect_and_opposite_ratings():
    assert krippendorff_alpha([[1, 2, 3], [1, 2, 3]]) == 1.0
    assert krippendorff_alpha([[1, 2], [2, 1]], "nominal") < 0


def test_alpha_ignores_the_order_of_annotators_and_items():
    rng = np.random.default_rng(1)
    mixed = EXAMPLE[rng.permutation(4)][:, rng.permutation(12)]
    assert krippendorff_alpha(mixed) == pytest.approx(krippendorff_alpha(EXAMPLE))


@pytest.mark.parametrize(
    "ratings",
    [np.full((2, 3), NAN), [[1, NAN], [NAN, 2]], [[3, 3], [3, 3]], np.empty((2, 0))],
    ids=["none", "no pairs", "no variation", "no items"],
)
def test_alpha_without_pairs_or_variation_is_nan(ratings):
    assert math.isnan(krippendorff_alpha(ratings))


def test_ac1_of_the_published_example():
    # Gwet's own example data are the same twelve units: AC1 = 0.77544.
    assert gwet_ac2(EXAMPLE, "nominal") == pytest.approx(0.77544, abs=5e-6)


def test_ac2_by_hand():
    # Two raters, one item rated (1, 3) and one (2, 2) on the scale 1, 2, 3. Ordinal weights: 1, 2/3 for neighbours, 0.
    # Agreement (0 + 1) / 2; prevalence (1/4, 1/2, 1/4); chance = (3 + 4 * 2/3) / 6 * (3/16 + 1/4 + 3/16).
    chance = (3 + 8 / 3) / 6 * (3 / 16 + 1 / 4 + 3 / 16)
    assert gwet_ac2([[1, 2], [3, 2]]) == pytest.approx((0.5 - chance) / (1 - chance))


def test_ac2_stays_high_where_alpha_collapses():
    ratings = np.ones((2, 50))
    ratings[0, 0] = 2
    assert krippendorff_alpha(ratings, "nominal") == pytest.approx(0.0, abs=0.02)
    assert gwet_ac2(ratings, "nominal") > 0.97


def test_ac2_knows_the_whole_scale():
    ratings = [[1, 2, 2, 1], [1, 2, 1, 1]]
    assert gwet_ac2(ratings, categories=range(1, 6)) > gwet_ac2(ratings)
    with pytest.raises(StatisticsError, match=r"rating 2.0 is not one of the categories \[0.0, 1.0\]"):
        gwet_ac2(ratings, categories=[0, 1])


def test_ac2_edges():
    assert math.isnan(gwet_ac2([[1, NAN], [NAN, 2]]))
    assert gwet_ac2(np.ones((3, 4))) == 1.0
    assert gwet_ac2([[0, 0, 3], [0, 1, 3]], "ratio") <= 1


def test_interval_counts_items_and_ratings():
    result = agreement_interval(EXAMPLE)
    assert result.estimate == krippendorff_alpha(EXAMPLE)
    assert result.low < result.estimate < result.high < 1
    assert (result.n, result.n_clusters) == (41, 11)  # the last unit has a single rating
    assert result.method == "t interval of log(1 - x), jackknife over 11 items"


def test_the_jackknife_of_a_mean_is_its_standard_error():
    ratings = np.array([[1.0, 2, 4, 4, 5, 3], [1.0, 2, 4, 4, 5, 3]])
    result = agreement_interval(ratings, coefficient=lambda matrix: float(np.mean(matrix[0]) / 10))
    assert result.standard_error == pytest.approx(scipy_stats.sem(ratings[0]) / 10)


def test_interval_takes_any_coefficient():
    nominal = partial(gwet_ac2, level="nominal", categories=range(1, 6))
    result = agreement_interval(EXAMPLE, coefficient=nominal)
    assert result.estimate == nominal(EXAMPLE)
    assert result.low < result.estimate < result.high


def test_items_of_one_prompt_are_left_out_together():
    rng = np.random.default_rng(3)
    ratings = np.clip(np.round(3 + rng.normal(0, 1, 20) + rng.normal(0, 0.7, (3, 20))), 1, 5)
    once = agreement_interval(ratings)
    copied = agreement_interval(np.repeat(ratings, 4, axis=1), clusters=np.repeat(np.arange(20), 4))
    naive = agreement_interval(np.repeat(ratings, 4, axis=1))
    assert (copied.n, copied.n_clusters) == (240, 20)
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.05)
    assert naive.high - naive.low < 0.6 * (once.high - once.low)


@pytest.mark.parametrize("coefficient", [krippendorff_alpha, gwet_ac2])
def test_without_any_disagreement_there_is_no_interval(coefficient):
    result = agreement_interval([[1, 1, 1, 2], [1, 1, 1, 2]], coefficient=coefficient)
    assert (result.estimate, result.method) == (1.0, "no interval: no disagreement on 4 items")
    assert math.isnan(result.low)


def test_what_hangs_on_one_item():
    one_differs = agreement_interval([[1, 1, 1, 2], [1, 1, 1, 1]])
    assert one_differs.method == "no interval: without one of the items the coefficient is undefined"
    assert math.isnan(one_differs.high)
    ratings = np.ones((2, 50))
    ratings[0, 0] = 2
    chance_free = agreement_interval(ratings, coefficient=partial(gwet_ac2, level="nominal", categories=[1, 2]))
    assert chance_free.method == "t interval, jackknife over 50 items"
    assert chance_free.low < chance_free.estimate < chance_free.high == 1.0
    assert agreement_interval(np.ones((2, 5))).method == "no interval: the coefficient is undefined without variation"


def test_interval_needs_two_items():
    result = agreement_interval([[1, NAN], [2, 3]])
    assert math.isnan(result.low)
    assert result.method == "no interval: fewer than two items with two ratings"


def test_the_bootstrap_is_near_the_jackknife_and_counts_undefined_draws():
    rng = np.random.default_rng(4)
    ratings = np.clip(np.round(rng.normal(3, 1, 80) + rng.normal(0, 0.8, (4, 80))), 1, 5)
    ours = agreement_interval(ratings, method="bootstrap", rng=np.random.default_rng(0), draws=2000)
    jackknife = agreement_interval(ratings)
    assert (ours.low, ours.high) == pytest.approx((jackknife.low, jackknife.high), abs=0.04)
    assert ours == agreement_interval(ratings, method="bootstrap", rng=np.random.default_rng(0), draws=2000)
    few = agreement_interval([[1, 1, 1, 2], [1, 1, 1, 1]], method="bootstrap", rng=np.random.default_rng(0), draws=100)
    assert 15 < int(few.method.split()[-2]) < 50  # (3/4)^4 = 32 % of resamples miss the only different item


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: krippendorff_alpha([1, 2]), r"shape \(annotators, items\), got \(2,\)"),
        (lambda: krippendorff_alpha([["good", "bad"]]), "ratings must be numbers: could not convert string"),
        (lambda: krippendorff_alpha([[1, float("inf")]]), "finite or NaN, got an infinite one"),
        (lambda: krippendorff_alpha(EXAMPLE, "cardinal"), "level must be one of nominal, .* got 'cardinal'"),
        (lambda: krippendorff_alpha([[-1, 2], [1, 2]], "ratio"), "a ratio scale starts at zero, got -1.0"),
        (lambda: agreement_interval(EXAMPLE, draws=0), "draws must be at least 1, got 0"),
        (lambda: agreement_interval(EXAMPLE, level=2), "level must lie between 0 and 1"),
        (lambda: agreement_interval(EXAMPLE, method="delta"), "method must be 'jackknife' or 'bootstrap', got 'delta'"),
        (lambda: agreement_interval(EXAMPLE, method="bootstrap"), "a bootstrap draws at random and got no rng"),
        (lambda: agreement_interval(EXAMPLE, clusters=[1]), "clusters must give one label per value: 12 values"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(StatisticsError, match=message):
        call()
