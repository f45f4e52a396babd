"""Simulated worlds with a known true value, one per kind of interval, for `benchmarks/interval_coverage.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd

from stepbench.preferences.ratings.two_way_mean import two_way_mean
from stepbench.stats import (
    agreement_interval,
    bootstrap_interval,
    bradley_terry,
    gwet_ac2,
    human_agreement,
    krippendorff_alpha,
    mean_interval,
    metric_agreement,
    paired_difference,
    set_metric_difference,
    shrink_means,
    win_rate_monitor,
)
from stepbench.stats.vote_prediction import predicted, tie_threshold

Random = np.random.Generator
Bounds = tuple[float, float, float]
"""Lower end, truth, upper end."""


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        procedure: The function.
        world: What was simulated.
        simulate: One data set and its intervals.
        note: Why it may lie outside 93 to 97 %; empty where it must not.
    """

    procedure: str
    world: str
    simulate: Callable[[Random], Iterable[Bounds]]
    note: str = ""


def mean_of_prompts(rng: Random, *, prompts: int, seeds: int, prompt_sd: float) -> Iterable[Bounds]:
    clusters = np.repeat(np.arange(prompts), seeds)
    values = np.repeat(rng.normal(0, prompt_sd, prompts), seeds) + rng.normal(size=prompts * seeds)
    found = mean_interval(values, clusters)
    yield found.low, 0.0, found.high


def skewed_mean(rng: Random, *, n: int) -> Iterable[Bounds]:
    found = mean_interval(rng.exponential(size=n))
    yield found.low, 1.0, found.high


def paired(rng: Random, *, n: int) -> Iterable[Bounds]:
    prompt = rng.normal(size=n)
    a, b = prompt + rng.normal(0, 0.3, n), prompt + 0.5 + rng.normal(0, 0.6, n)
    found = paired_difference(a, b, rng=rng, draws=1)
    yield found.low, 0.5, found.high


def paired_votes(rng: Random, *, n: int) -> Iterable[Bounds]:
    outcomes = rng.choice([1.0, 0.5, 0.0], p=[0.5, 0.2, 0.3], size=n)
    found = paired_difference(np.full(n, 0.5), outcomes, rng=rng, draws=1)
    yield found.low, 0.1, found.high


def bca(rng: Random, *, n: int, statistic: Callable[..., np.ndarray], truth: float) -> Iterable[Bounds]:
    found = bootstrap_interval(rng.exponential(size=n), rng=rng, statistic=statistic, draws=1000)
    yield found.low, truth, found.high


def shrunk(rng: Random, *, groups: int, spread: float) -> Iterable[Bounds]:
    truth = rng.normal(0, spread, groups)
    errors = rng.uniform(0.3, 1.0, groups)
    table = shrink_means(rng.normal(truth, errors), errors)
    yield from zip(table["low"], truth, table["high"], strict=True)


def crossed(rng: Random, prompts: int, annotators: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Every prompt judged by `each` annotators drawn at random: prompt and annotator of each judgement."""
    by = np.concatenate([rng.permutation(annotators)[:each] for _ in range(prompts)])
    return np.repeat(np.arange(prompts), each), by


def ratings_of_models(
    rng: Random,
    *,
    truth: tuple[float, ...],
    annotators: int,
    each: int,
    prompt_sd: float = 0.0,
    annotator_sd: float = 0.0,
) -> Iterable[Bounds]:
    prompts, people = crossed(rng, 60, annotators, each)
    models, n = len(truth), prompts.size
    a = rng.integers(models, size=n)
    b = (a + 1 + rng.integers(models - 1, size=n)) % models
    taste = rng.normal(0, prompt_sd, (60, models))[prompts] + rng.normal(0, annotator_sd, (annotators, models))[people]
    strength, row = np.array(truth) + taste, np.arange(n)
    half_lead = (strength[row, a] - strength[row, b] + 0.2) / 2
    weights = np.stack([np.exp(half_lead), np.exp(-half_lead), np.full(n, 0.4)])
    winner = (rng.random(n) * weights.sum(axis=0) > weights.cumsum(axis=0)).sum(axis=0)
    votes = pd.DataFrame({"model_a": a, "model_b": b, "winner": np.array(["a", "b", "tie"])[winner]})
    table = bradley_terry(votes.assign(prompt_id=prompts, annotator=people), rng=rng, draws=1).sort_values("model")
    yield from zip(table["low"], truth, table["high"], strict=True)


def mean_rating(rng: Random, *, annotators: int, each: int, prompt_sd: float, annotator_sd: float) -> Iterable[Bounds]:
    prompts, people = crossed(rng, 100, annotators, each)
    taste = rng.normal(0, prompt_sd, 100)[prompts] + rng.normal(0, annotator_sd, annotators)[people]
    found = two_way_mean(3 + taste + rng.normal(size=prompts.size), prompts, people)
    yield found.low, 3.0, found.high


def _rated(rng: Random, annotators: int, items: int, noise: float) -> np.ndarray:
    """Ratings from 1 to 5, a fifth of them missing."""
    ratings = np.clip(np.round(3 + rng.normal(0, 1, items) + rng.normal(0, noise, (annotators, items))), 1, 5)
    return np.where(rng.random(ratings.shape) < 0.2, np.nan, ratings)


@cache
def _true_agreement(coefficient: Callable[[np.ndarray], float], annotators: int, noise: float) -> float:
    return coefficient(_rated(np.random.default_rng(1), annotators, 400_000, noise))


def agreement(
    rng: Random, *, coefficient: Callable[[np.ndarray], float], annotators: int, items: int, noise: float
) -> Iterable[Bounds]:
    found = agreement_interval(_rated(rng, annotators, items, noise), coefficient=coefficient)
    yield found.low, _true_agreement(coefficient, annotators, noise), found.high


def _spread_distance(features: np.ndarray, reference: np.ndarray) -> float:
    """Squared differences of means and of spreads: a Frechet distance without correlations, and as biased in n."""
    spread = features.std(axis=0) - reference.std(axis=0)
    return float(((features.mean(axis=0) - reference.mean(axis=0)) ** 2 + spread**2).sum())


def _features(rng: Random, prompts: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    shared = rng.normal(size=(prompts, 4))
    return shared + 0.3 + rng.normal(0, 0.5, (prompts, 4)), shared + 0.3 + shift + rng.normal(0, 0.5, (prompts, 4))


_REFERENCE = np.random.default_rng(2).normal(size=(500, 4))


@cache
def _true_set_difference(prompts: int, shift: float) -> float:
    rng = np.random.default_rng(3)
    drawn = (_features(rng, prompts, shift) for _ in range(20_000))
    return float(np.mean([_spread_distance(b, _REFERENCE) - _spread_distance(a, _REFERENCE) for a, b in drawn]))


def set_difference(rng: Random, *, prompts: int, shift: float) -> Iterable[Bounds]:
    a, b = _features(rng, prompts, shift)
    found = set_metric_difference(a, b, _REFERENCE, _spread_distance, rng=rng, draws=300, permutations=0)
    yield found.low, _true_set_difference(prompts, shift), found.high


def _judged_pairs(rng: Random, prompts: int, each: int, skill: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One pair of clips per prompt and metric score, `each` people's votes on it; all share the prompt's difference."""
    better = rng.normal(size=prompts)
    score = skill * better + rng.normal(size=prompts)
    felt = np.repeat(better, each) + rng.normal(0, 0.7, prompts * each)
    votes = np.where(np.abs(felt) < 0.5, 0.0, np.sign(felt))
    return np.repeat(score, each), votes, np.repeat(np.arange(prompts), each)


@cache
def _true_accuracy(skill: float) -> float:
    score, votes, _ = _judged_pairs(np.random.default_rng(4), 400_000, 1, skill)
    return float(predicted(score, votes, tie_threshold(score, votes)).mean())


def accuracy_of_metric(rng: Random, *, prompts: int, each: int, skill: float) -> Iterable[Bounds]:
    score, votes, units = _judged_pairs(rng, prompts, each, skill)
    found = metric_agreement(score, votes, units, rng=rng).accuracy
    yield found.low, _true_accuracy(skill), found.high


@cache
def _true_human_agreement() -> float:
    _, votes, pairs = _judged_pairs(np.random.default_rng(5), 200_000, 2, 0.0)
    return float(human_agreement(votes, pairs, np.arange(votes.size) % 2).mean())


def agreement_of_people(rng: Random, *, prompts: int, each: int) -> Iterable[Bounds]:
    _, votes, pairs = _judged_pairs(rng, prompts, each, 0.0)
    found = mean_interval(human_agreement(votes, pairs, np.arange(votes.size) % each), pairs)
    yield found.low, _true_human_agreement(), found.high


def bounds_at_all_times(rng: Random, *, outcomes: int) -> Iterable[Bounds]:
    table = win_rate_monitor(rng.choice([0.0, 0.5, 1.0], p=[0.3, 0.2, 0.5], size=outcomes))
    yield np.max(table["low"].to_numpy()), 0.6, np.min(table["high"].to_numpy())


def _coefficients() -> tuple[partial[float], ...]:
    """The levels of Krippendorff's alpha and Gwet's AC2 that are simulated."""
    alphas = tuple(partial(krippendorff_alpha, level=level) for level in ("nominal", "ordinal", "interval"))
    return *alphas, partial(gwet_ac2, categories=range(1, 6))


_NOMINAL, _ORDINAL, _INTERVAL, _AC2 = _coefficients()
_EVEN, _APART = (0.0, 0.0, 0.0), (0.6, 0.0, -0.6)
CASES = (
    Case("mean_interval", "8 prompts x 3 seeds", partial(mean_of_prompts, prompts=8, seeds=3, prompt_sd=1.0)),
    Case("mean_interval", "40 prompts x 4 seeds", partial(mean_of_prompts, prompts=40, seeds=4, prompt_sd=0.5)),
    Case("mean_interval", "128 skewed values (exponential)", partial(skewed_mean, n=128)),
    Case("paired_difference", "12 prompts, unequal spreads", partial(paired, n=12)),
    Case("paired_difference", "128 prompts, unequal spreads", partial(paired, n=128)),
    Case("paired_difference", "128 wins, ties, losses", partial(paired_votes, n=128)),
    Case("bootstrap_interval", "mean of 50, exponential", partial(bca, n=50, statistic=np.mean, truth=1.0)),
    Case("bootstrap_interval", "mean of 128, exponential", partial(bca, n=128, statistic=np.mean, truth=1.0)),
    Case("bootstrap_interval", "median of 128, exponential", partial(bca, n=128, statistic=np.median, truth=np.log(2))),
    Case("shrink_means", "11 categories, spread 0.5", partial(shrunk, groups=11, spread=0.5)),
    Case("shrink_means", "6 categories, spread 1.5", partial(shrunk, groups=6, spread=1.5)),
    Case("bradley_terry", "independent votes", partial(ratings_of_models, truth=_APART, annotators=20, each=10)),
    Case(
        "bradley_terry",
        "prompts with favourites",
        partial(ratings_of_models, truth=_EVEN, annotators=20, each=10, prompt_sd=0.8),
    ),
    Case(
        "bradley_terry",
        "20 annotators and prompts with favourites",
        partial(ratings_of_models, truth=_EVEN, annotators=20, each=10, prompt_sd=0.8, annotator_sd=0.5),
    ),
    Case(
        "bradley_terry",
        "6 annotators and prompts with favourites",
        partial(ratings_of_models, truth=_EVEN, annotators=6, each=5, prompt_sd=0.8, annotator_sd=0.5),
    ),
    Case(
        "two_way_mean",
        "ratings by 20 annotators",
        partial(mean_rating, annotators=20, each=3, prompt_sd=0.5, annotator_sd=0.3),
    ),
    Case(
        "two_way_mean",
        "ratings by 6 annotators",
        partial(mean_rating, annotators=6, each=3, prompt_sd=0.5, annotator_sd=0.3),
    ),
    Case(
        "two_way_mean", "independent ratings", partial(mean_rating, annotators=20, each=3, prompt_sd=0, annotator_sd=0)
    ),
    Case(
        "two_way_mean",
        "ratings by 3 annotators of unequal severity",
        partial(mean_rating, annotators=3, each=3, prompt_sd=0.5, annotator_sd=0.3),
    ),
    Case("set_metric_difference", "60 prompts, equal models", partial(set_difference, prompts=60, shift=0.0)),
    Case("set_metric_difference", "128 prompts, b further off", partial(set_difference, prompts=128, shift=0.15)),
    Case(
        "alpha, nominal", "3 x 60 ratings", partial(agreement, coefficient=_NOMINAL, annotators=3, items=60, noise=0.7)
    ),
    Case(
        "alpha, ordinal", "3 x 60 ratings", partial(agreement, coefficient=_ORDINAL, annotators=3, items=60, noise=0.7)
    ),
    Case(
        "alpha, ordinal", "6 x 30 ratings", partial(agreement, coefficient=_ORDINAL, annotators=6, items=30, noise=1.0)
    ),
    Case(
        "alpha, interval",
        "3 x 60 ratings",
        partial(agreement, coefficient=_INTERVAL, annotators=3, items=60, noise=0.7),
    ),
    Case("AC2", "3 x 60 ratings", partial(agreement, coefficient=_AC2, annotators=3, items=60, noise=0.7)),
    Case("metric_agreement", "128 prompts, 3 votes each", partial(accuracy_of_metric, prompts=128, each=3, skill=1.0)),
    Case("metric_agreement", "40 prompts, 1 vote each", partial(accuracy_of_metric, prompts=40, each=1, skill=1.0)),
    Case(
        "metric_agreement", "128 prompts, useless metric", partial(accuracy_of_metric, prompts=128, each=3, skill=0.0)
    ),
    Case("human_agreement", "128 prompts, 3 votes each", partial(agreement_of_people, prompts=128, each=3)),
    Case(
        "win_rate_monitor",
        "all of 200 looks at once",
        partial(bounds_at_all_times, outcomes=200),
        note="holds at all looks together, so it covers more than 95 %",
    ),
)
