"""How far annotators agree, per question: Krippendorff's alpha with its interval."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stepbench.preferences.protocol import Protocol
from stepbench.preferences.ratings.vote_agreement import clip_names, turned
from stepbench.stats import agreement_interval, krippendorff_alpha

AGREEMENT_COLUMNS = ("dimension", "form", "level", "alpha", "low", "high", "ratings", "items", "annotators", "method")
Table = Any


def agreement_table(
    votes: pd.DataFrame, protocol: Protocol, *, rng: np.random.Generator, draws: int = 1000
) -> pd.DataFrame:
    """Agreement on real pairs among annotators who are not excluded.

    Args:
        votes: `Study.votes`.
        protocol: Its questions.
        rng: Of the resamples of items.
        draws: Number of resamples.

    Returns:
        One row per question. Pairwise answers are categories (nominal): which clip, tie, or both bad, whatever side it
        stood on. Ratings are ranks (ordinal) of one clip of one pair. `items` counts what two or more annotators
        judged; alpha is NaN where there is none.
    """
    table: Table = votes
    counted = table[(table["kind"] == "real") & table["excluded"].isna() & (table["winner"] != "skip")]
    rows = []
    for question in protocol.questions:
        own = counted[counted["dimension"] == question.id]
        pairwise = question.form == "pairwise"
        item, value = _pairwise(own) if pairwise else _ratings(own)
        level = "nominal" if pairwise else "ordinal"
        matrix = _matrix(own["annotator"], item, value)
        found = agreement_interval(matrix, rng=rng, coefficient=partial(krippendorff_alpha, level=level), draws=draws)
        rows.append(
            {
                "dimension": question.id,
                "form": question.form,
                "level": level,
                "alpha": found.estimate,
                "low": found.low,
                "high": found.high,
                "ratings": found.n,
                "items": found.n_clusters,
                "annotators": int(own["annotator"].nunique()),
                "method": found.method,
            }
        )
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


def _pairwise(votes: Table) -> tuple[Table, Table]:
    """Item and code of pairwise answers: which clip (1, 2), a tie (0), both bad (-1)."""
    left, right = (np.where(_turned(votes), *codes) for codes in ((2.0, 1.0), (1.0, 2.0)))
    is_a, is_b, tied = (votes["winner"] == winner for winner in ("a", "b", "tie"))
    return votes["pair_id"], pd.Series(np.select([is_a, is_b, tied], [left, right, 0.0], -1.0), index=votes.index)


def _ratings(votes: Table) -> tuple[Table, Table]:
    """Item and value of ratings: an item is one clip of a pair."""
    first = (votes["rated_clip"] == "a") != _turned(votes)
    return votes["pair_id"] + np.where(first, "/1", "/2"), votes["rating"]


def _turned(votes: Table) -> Table:
    """Whether the clip that this module calls 1 stands on the right."""
    return turned(votes["pair_id"], clip_names(votes, "a"), clip_names(votes, "b"))


def _matrix(annotator: Table, item: Table, value: Table) -> np.ndarray:
    """Shape (annotators, items), NaN where an annotator did not judge."""
    rows, people = pd.factorize(annotator)
    columns, items = pd.factorize(item)
    matrix = np.full((len(people), len(items)), np.nan)
    matrix[rows, columns] = value.to_numpy(dtype=float)
    return matrix
