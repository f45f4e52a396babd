"""How far annotators agree, per question: Krippendorff's alpha with its interval."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stepbench.preferences.protocol import Protocol
from stepbench.preferences.ratings.vote_agreement import clip_items, judgement_matrix, pair_items
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
        stood on. Ratings are ranks (ordinal) of one clip, in whichever pairs it was shown. `items` counts what two or
        more annotators judged; alpha is NaN where there is none.
    """
    table: Table = votes
    counted = table[(table["kind"] == "real") & table["excluded"].isna() & (table["winner"] != "skip")]
    rows = []
    for question in protocol.questions:
        own = counted[counted["dimension"] == question.id]
        pairwise = question.form == "pairwise"
        matrix = judgement_matrix(pair_items(own) if pairwise else clip_items(own))
        level = "nominal" if pairwise else "ordinal"
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
