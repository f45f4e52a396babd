"""Agreement: the published worked example, independent implementations, and what happens without variation."""

from __future__ import annotations

import math
from functools import partial

import evalica
import numpy as np
import pandas as pd
import pytest

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
    result = agreement_interval(EXAMPLE, rng=np.random.default_rng(0))
    assert result.estimate == krippendorff_alpha(EXAMPLE)
    assert result.low < result.estimate < result.high
    assert (result.n, result.n_clusters) == (41, 11)  # the last unit has a single rating
    assert result == agreement_interval(EXAMPLE, rng=np.random.default_rng(0))


def test_interval_takes_any_coefficient():
    nominal = partial(gwet_ac2, level="nominal", categories=range(1, 6))
    result = agreement_interval(EXAMPLE, rng=np.random.default_rng(0), coefficient=nominal, draws=200)
    assert result.estimate == nominal(EXAMPLE)
    assert result.low < result.estimate < result.high


def test_interval_without_variation_counts_undefined_draws():
    ratings = [[1, 1, 1, 2], [1, 1, 1, 2]]
    result = agreement_interval(ratings, rng=np.random.default_rng(0), draws=100)
    undefined = int(result.method.split()[-2])
    assert 15 < undefined < 50  # (3/4)^4 = 32 % of resamples miss the only different item
    assert result.low == 1.0
    constant = agreement_interval(np.ones((2, 5)), rng=np.random.default_rng(0), draws=10)
    assert math.isnan(constant.low)
    assert constant.method.endswith("10 undefined")


def test_interval_needs_two_items():
    result = agreement_interval([[1, NAN], [2, 3]], rng=np.random.default_rng(0))
    assert math.isnan(result.low)
    assert result.method == "no interval: fewer than two items with two ratings"


@pytest.mark.slow
def test_interval_coverage():
    # Population alpha of two raters with a shared normal part: the correlation, 1 / (1 + 0.5^2).
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(600):
        ratings = rng.normal(size=60) + rng.normal(0, 0.5, (2, 60))
        result = agreement_interval(
            ratings, rng=rng, coefficient=partial(krippendorff_alpha, level="interval"), draws=200
        )
        covered += result.low <= 1 / 1.25 <= result.high
    assert 0.90 <= covered / 600 <= 0.97  # the percentile bootstrap is a little short


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: krippendorff_alpha([1, 2]), r"shape \(annotators, items\), got \(2,\)"),
        (lambda: krippendorff_alpha([["good", "bad"]]), "ratings must be numbers: could not convert string"),
        (lambda: krippendorff_alpha([[1, float("inf")]]), "finite or NaN, got an infinite one"),
        (lambda: krippendorff_alpha(EXAMPLE, "cardinal"), "level must be one of nominal, .* got 'cardinal'"),
        (lambda: krippendorff_alpha([[-1, 2], [1, 2]], "ratio"), "a ratio scale starts at zero, got -1.0"),
        (lambda: agreement_interval(EXAMPLE, rng=np.random.default_rng(0), draws=0), "draws must be at least 1, got 0"),
        (lambda: agreement_interval(EXAMPLE, rng=np.random.default_rng(0), level=2), "level must lie between 0 and 1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(StatisticsError, match=message):
        call()
