"""Metric against human votes: pairwise accuracy with ties, chance, and how far people agree with each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stepbench.stats.checks import StatisticsError, cluster_codes, finite_vector, fraction
from stepbench.stats.intervals import Estimate, cluster_means, mean_interval
from stepbench.stats.paired import paired_difference


@dataclass(frozen=True, kw_only=True)
class MetricAgreement:
    """How well a metric predicts votes. Shares are means over prompts of the share of each prompt's votes.

    Attributes:
        accuracy: Share of votes predicted: the right winner, or a tie called a tie; with its interval over prompts.
        chance: What the same metric would reach if the direction of its differences were tossed by a coin.
        decided: Share of the votes with a winner whose winner the metric puts first (equal scores count one half).
        p: Two-sided sign-flip p over prompts that the direction of the metric predicts winners no better than a coin.
        threshold: Largest difference called a tie, in the metric's unit.
        called_ties: Share of votes whose clips the metric calls equal.
        best: Accuracy with the threshold that predicts most of these very votes; flatters the metric.
        n_votes: Votes.
        n_prompts: Prompts behind them.
    """

    accuracy: Estimate
    chance: float
    decided: float
    p: float
    threshold: float
    called_ties: float
    best: float
    n_votes: int
    n_prompts: int
    correct: np.ndarray
    """For each vote whether it was predicted, shape (votes,)."""


def metric_agreement(
    differences: Any, outcomes: Any, prompts: Any, *, rng: np.random.Generator, level: float = 0.95
) -> MetricAgreement:
    """Pairwise accuracy with ties of a metric against votes (Deutsch, Foster and Freitag 2023, "Ties Matter").

    A metric with real values never ties, people do. Small differences are therefore called ties, as many as people
    called (`tie_threshold`). Deutsch et al. take the threshold that predicts most votes; found on the same votes it
    flatters the metric, found on others it is noisy, and either way intervals fall short of 95 % (docs/statistics.md).
    Its accuracy is given as `best`.

    Args:
        differences: Score of clip a minus score of clip b, so that positive says that a is better; shape (votes,).
        outcomes: 1 where a won, -1 where b won, 0 for a tie; shape (votes,).
        prompts: Prompt of each vote, shape (votes,); the unit of inference.
        rng: Source of the sign flips.
        level: Coverage of the interval, between 0 and 1.

    Returns:
        Everything is NaN without votes; with one prompt there is no interval.

    Raises:
        StatisticsError: For NaN, unequal lengths, another outcome, a missing prompt or an impossible level.
    """
    fraction("level", level)
    values, votes = finite_vector("differences", differences), finite_vector("outcomes", outcomes)
    if values.size != votes.size:
        raise StatisticsError(f"one outcome per difference, got {votes.size} for {values.size} differences")
    unknown = np.setdiff1d(votes, [-1.0, 0.0, 1.0])
    if unknown.size:
        raise StatisticsError(
            f"an outcome is 1, 0 or -1, got {unknown[0]:g}", hint="'both bad' is none of them: leave such votes out"
        )
    codes, k = cluster_codes("prompts", prompts, values.size)
    threshold = tie_threshold(values, votes)
    tied = np.abs(values) <= threshold
    correct = predicted(values, votes, threshold)
    by_coin = np.where(tied, votes == 0, (votes != 0) / 2)
    direction = np.sign(values) * votes
    winners = votes != 0
    per_prompt = cluster_means(direction, codes)[0]
    return MetricAgreement(
        accuracy=mean_interval(correct.astype(float), codes, level),
        chance=_mean(by_coin, codes),
        decided=_mean((1 + direction[winners]) / 2, codes[winners]),
        p=paired_difference(np.zeros(k), per_prompt, rng=rng).p,
        threshold=threshold,
        called_ties=_mean(tied.astype(float), codes),
        best=_mean(predicted(values, votes, best_threshold(values, votes)).astype(float), codes),
        n_votes=values.size,
        n_prompts=k,
        correct=correct,
    )


def predicted(differences: np.ndarray, outcomes: np.ndarray, threshold: float) -> np.ndarray:
    """For each vote whether a metric that calls differences up to `threshold` ties gives the same outcome."""
    return np.where(np.abs(differences) <= threshold, outcomes == 0, np.sign(differences) == outcomes)


def tie_threshold(differences: np.ndarray, outcomes: np.ndarray) -> float:
    """The largest difference to call a tie so that about as many are called as there are ties among the outcomes.

    0 calls equal scores ties and nothing else.
    """
    candidates, _, ends = _candidates(differences)
    return float(candidates[np.argmin(np.abs(ends - np.sum(outcomes == 0)))])


def best_threshold(differences: np.ndarray, outcomes: np.ndarray) -> float:
    """The largest difference to call a tie so that most outcomes are predicted: Deutsch's calibration, smallest first.

    Source: Deutsch, Foster and Freitag (2023), section 6.
    """
    candidates, order, ends = _candidates(differences)
    # Calling one more vote a tie gains it if it was one, and loses it if its winner was predicted.
    gained = (outcomes == 0).astype(int) - (np.sign(differences) * outcomes > 0).astype(int)
    return float(candidates[np.argmax(np.append(0, np.cumsum(gained[order]))[ends])])


def _candidates(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Possible thresholds, the votes by size of difference, and how many of them each threshold calls ties."""
    size = np.abs(differences)
    order = np.argsort(size, kind="stable")
    candidates = np.unique(np.append(0.0, size))
    return candidates, order, np.searchsorted(size[order], candidates, side="right")


def human_agreement(outcomes: Any, pairs: Any, annotators: Any) -> np.ndarray:
    """For each vote the share of the other annotators on the same pair who gave the same outcome, shape (votes,).

    NaN where nobody else voted on the pair. Its mean is what a metric is up against: one person's vote predicted by
    another's.

    Args:
        outcomes: 1, 0 or -1, seen from the same clip of the pair by everyone; shape (votes,).
        pairs: One label per vote.
        annotators: One label per vote; further votes of one annotator on a pair are not others.

    Raises:
        StatisticsError: For NaN, unequal lengths or a missing label.
    """
    votes = finite_vector("outcomes", outcomes)
    pair, _ = cluster_codes("pairs", pairs, votes.size)
    person, _ = cluster_codes("annotators", annotators, votes.size)

    def group_sizes(*columns: np.ndarray) -> np.ndarray:
        _, inverse, counts = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True, return_counts=True)
        return counts[inverse.ravel()]

    if not votes.size:
        return np.empty(0)
    others = group_sizes(pair) - group_sizes(pair, person)
    same = group_sizes(pair, votes) - group_sizes(pair, person, votes)
    return np.divide(same, others, out=np.full(votes.size, np.nan), where=others > 0)


def _mean(values: np.ndarray, codes: np.ndarray) -> float:
    return mean_interval(values, codes).estimate
