"""Ratings from pairwise votes, with intervals that hold for new prompts and new annotators."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import stdtrit

from stepbench.stats import davidson
from stepbench.stats.ballot import BOTH_BAD, Ballot, check_connected, read_votes, vote_counts
from stepbench.stats.checks import StatisticsError, fraction
from stepbench.stats.two_way import draw, two_way_covariance

COLUMNS = (
    "model",
    "rating",
    "low",
    "high",
    "rank_low",
    "rank_high",
    "p_best",
    "votes",
    "both_bad",
    "acceptable",
    "separable",
)
FEW_ANNOTATORS = 10
"""Below this many annotators the interval hardly speaks for other people, and the table says so."""


def bradley_terry(
    votes: pd.DataFrame, *, rng: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> pd.DataFrame:
    """Rate models from pairwise votes: Bradley-Terry with ties and a side effect (`davidson`), in log-odds with mean 0.

    A difference of 1 between two ratings means odds of e to 1, ties aside; times 173.7 it is a difference on the Elo
    scale. Intervals and ranks come from a two-way (prompt x annotator) cluster bootstrap (`two_way`). "Both bad" says
    nothing about which clip is better: such votes stay out of the ratings and count in `acceptable`.

    Args:
        votes: One row per vote with columns model_a (shown as A), model_b, winner ("a", "b", "tie" or "both_bad"),
            prompt_id and annotator.
        rng: Source of the joint draws behind ranks and `p_best`.
        draws: Number of joint draws.
        level: Coverage of the intervals, between 0 and 1.

    Returns:
        One row per model, best rating first, with columns
        model, rating, low, high (log-odds), rank_low, rank_high (best and worst rank left open), p_best, votes (all),
        both_bad (votes of this kind), acceptable (share of votes that are not), and separable (True where the model won
        or lost every vote that ties it to the others, so that only the prior keeps its rating finite).
        `attrs` holds the scale, side effect, tie parameter, counts, method and notes. Without votes the table is empty;
        with a single prompt the bounds are NaN and the ranks span everything.

    Raises:
        StatisticsError: For missing columns, a missing value, an unknown winner, or a model against itself; names the
            row.
        NotComparableError: When groups of models are not connected by votes, so that no common scale exists.
    """
    fraction("level", level)
    if draws < 1:
        raise StatisticsError(f"draws must be at least 1, got {draws}")
    ballot = read_votes(votes)
    if not ballot.models:
        return _empty()
    relative = ballot.only(ballot.winner != BOTH_BAD)
    check_connected(relative)
    counts = vote_counts(relative)
    parameters = davidson.fit(counts)
    models = len(ballot.models)
    ratings = parameters[:models]
    covariance, freedom = rating_covariance(relative, counts, parameters)
    n_prompts, n_annotators = (np.unique(codes).size for codes in (relative.prompt, relative.annotator))
    if n_prompts > 1:
        margin = stdtrit(freedom, (1 + level) / 2) * np.sqrt(np.diag(covariance))
        deviations = draw(covariance, freedom, draws, rng)
        rank_low, rank_high = rank_intervals(ratings, covariance, deviations, level)
        p_best = (ranks_of(ratings + deviations) == 1).mean(axis=0)
    else:
        margin, p_best = np.full(models, np.nan), np.full(models, np.nan)
        rank_low, rank_high = np.ones(models, dtype=int), np.full(models, models)
    taken = np.bincount(np.concatenate([ballot.a, ballot.b]), minlength=models)
    bad = ballot.only(ballot.winner == BOTH_BAD)
    both_bad = np.bincount(np.concatenate([bad.a, bad.b]), minlength=models)
    separable = _separable(counts)
    columns = (
        np.array(ballot.models, dtype=object),
        ratings,
        ratings - margin,
        ratings + margin,
        rank_low,
        rank_high,
        p_best,
        taken,
        both_bad,
        1 - both_bad / taken,
        separable,
    )
    order = np.argsort(-ratings, kind="stable")  # models come sorted, so equal ratings stay in order of name
    table = pd.DataFrame({name: column[order] for name, column in zip(COLUMNS, columns, strict=True)})
    table.attrs = {
        "scale": "log-odds, mean 0",
        "side_effect": float(parameters[models]),
        "tie_parameter": float(np.exp(parameters[-1])) if counts.ties.any() else 0.0,
        "n_votes": int(relative.winner.size),
        "n_both_bad": int(bad.winner.size),
        "n_prompts": int(n_prompts),
        "n_annotators": int(n_annotators),
        "method": f"Davidson model; two-way cluster bootstrap, {freedom:.0f} degrees of freedom, {draws} draws",
        "notes": _notes(
            int(n_prompts),
            int(n_annotators),
            sides_fixed=not (counts.total * counts.total.T).any(),
            separable=bool(separable.any()),
        ),
    }
    return table


def rank_intervals(
    ratings: np.ndarray, covariance: np.ndarray, deviations: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Best and worst rank that the votes leave open: they count the models surely better and those surely worse.

    Two models are told apart where their difference, in standard errors, is one that the greatest of all differences
    between joint deviations exceeds only with chance 1 - level (max-t; Mogstad, Romano, Shaikh and Wilhelm 2024). So
    all ranks of a table hold together, and equal models share one interval; quantiles of drawn ranks would tell equal
    models apart by the luck of their votes.

    Args:
        ratings: Shape (models,).
        covariance: Of the ratings.
        deviations: Joint draws of their errors, shape (draws, models).
        level: Chance that no two equal models of the table are told apart, at least.
    """
    variance = np.diag(covariance)
    spread = np.sqrt(np.maximum(variance[:, None] + variance[None, :] - 2 * covariance, 0.0))
    # Without any spread nothing was measured between the two.
    spread[spread <= 1e-12 * np.sqrt(variance.max())] = np.inf
    widest = np.zeros(len(deviations))
    for model in range(1, len(ratings)):
        gaps = np.abs(deviations[:, :model] - deviations[:, model, None]) / spread[model, :model]
        np.maximum(widest, gaps.max(axis=1), out=widest)
    # surely[i, j]: j is better than i.
    surely = (ratings[None, :] - ratings[:, None]) / spread > np.quantile(widest, level)
    return 1 + surely.sum(axis=1), len(ratings) - surely.sum(axis=0)


def ranks_of(drawn: np.ndarray) -> np.ndarray:
    """Rank of each model in each draw, 1 for the highest; shape (draws, models)."""
    return drawn.shape[1] - drawn.argsort(axis=1).argsort(axis=1)


def _separable(counts: davidson.Counts) -> np.ndarray:
    """Models outside the one largest group in which everyone is reached by a chain of wins or ties, shape (models,)."""
    not_lost = counts.a_wins + counts.b_wins.T + counts.ties + counts.ties.T
    _, labels = connected_components(sparse.csr_array(not_lost), directed=True, connection="strong")
    sizes = np.bincount(labels)
    core = np.flatnonzero(sizes == sizes.max())
    return ~np.isin(labels, core) if core.size == 1 else np.ones(labels.size, dtype=bool)


def rating_covariance(ballot: Ballot, counts: davidson.Counts, parameters: np.ndarray) -> tuple[np.ndarray, float]:
    """Covariance of the ratings, shape (models, models), clustered by prompt and annotator, and degrees of freedom.

    Args:
        ballot: Votes without "both bad".
        counts: Of these votes.
        parameters: Their fit, as `davidson.fit` returns it.
    """
    models, n = len(ballot.models), ballot.winner.size
    by_rating, by_tie = davidson.vote_scores(parameters, ballot.a, ballot.b, ballot.winner)
    rows = np.tile(np.arange(n), 4)
    columns = np.concatenate([ballot.a, ballot.b, np.full(n, models), np.full(n, models + 1)])
    values = np.concatenate([by_rating, -by_rating, by_rating, by_tie])
    scores = sparse.csr_array((values, (rows, columns)), shape=(n, models + 2))
    centred = np.eye(models, models + 2)
    centred[:, :models] -= 1 / models
    return two_way_covariance(
        scores, davidson.information(parameters, counts), centred, ballot.prompt, ballot.annotator
    )


def _notes(prompts: int, annotators: int, *, sides_fixed: bool, separable: bool) -> list[str]:
    notes = []
    if prompts < 2:
        notes.append("one prompt: nothing can be said about others, so there are no intervals")
    if annotators < FEW_ANNOTATORS:
        notes.append(
            f"only {annotators} annotator{'s' * (annotators != 1)}: the intervals hardly speak for other people"
        )
    if sides_fixed:
        notes.append("no pair was ever shown with its sides swapped: side effect and strength cannot be told apart")
    if separable:
        notes.append("some models won or lost every vote: the prior alone keeps their ratings finite")
    return notes


def _empty() -> pd.DataFrame:
    kinds = {"model": object, "rank_low": int, "rank_high": int, "votes": int, "both_bad": int, "separable": bool}
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, float)) for name in COLUMNS})
