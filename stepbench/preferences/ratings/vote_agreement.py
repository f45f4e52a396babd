"""How far annotators agree on the same clips: Krippendorff's alpha and Gwet's AC2, with intervals."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stepbench.preferences.ratings.counting import Table
from stepbench.preferences.ratings.mean_ratings import SCALE
from stepbench.stats.agreement import Level, agreement_interval, gwet_ac2, krippendorff_alpha

_CODES = {"1": 0, "tie": 1, "2": 2, "both_bad": 3}


def agreement_table(
    pairwise: Table, ratings: Table, *, rng: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> Table:
    """Agreement per dimension: of verdicts as categories, of 1 to 5 ratings as ranks.

    Args:
        pairwise: As `CountedVotes.pairwise`; an item is a pair of clips, whichever side they stood on.
        ratings: As `CountedVotes.ratings`; an item is a clip of a prompt.
        rng: Source of the resamples.
        draws: Number of resamples.
        level: Coverage of the intervals.

    Returns:
        One row per dimension, kind of judgement and coefficient: dimension, judgement, coefficient, scale, value, low,
        high, items (judged twice or more), judgements, method.
    """
    tables: list[tuple[str, str, Level, Any, np.ndarray]] = []
    verdicts = pair_items(pairwise)
    for dimension, group in verdicts.groupby("dimension"):
        tables.append((str(dimension), "verdict", "nominal", tuple(_CODES.values()), judgement_matrix(group)))
    rated = clip_items(ratings)
    for dimension, group in rated.groupby("dimension"):
        tables.append((str(dimension), "rating", "ordinal", SCALE, judgement_matrix(group)))
    rows = []
    for dimension, judgement, scale, categories, matrix in tables:
        coefficients = {
            "Krippendorff's alpha": partial(krippendorff_alpha, level=scale),
            "Gwet's AC2" if scale == "ordinal" else "Gwet's AC1": partial(
                gwet_ac2, level=scale, categories=categories if judgement == "rating" else None
            ),
        }
        for name, coefficient in coefficients.items():
            found = agreement_interval(matrix, rng=rng, coefficient=coefficient, draws=draws, level=level)
            rows.append(
                {
                    "dimension": dimension,
                    "judgement": judgement,
                    "coefficient": name,
                    "scale": scale,
                    "value": found.estimate,
                    "low": found.low,
                    "high": found.high,
                    "items": found.n_clusters,
                    "judgements": found.n,
                    "method": found.method,
                }
            )
    return pd.DataFrame(rows)


def turned(pair_ids: Table, first: Table, second: Table) -> Table:
    """Whether the clip that counts as a pair's first stands on the right, for each vote.

    Which clip counts as first is a toss by the pair's id: in order of names, annotators who all find the same model
    better would look like people with one favourite answer, and alpha would tend to 0.

    Args:
        pair_ids: Of each vote.
        first: A name of the clip on the left, see `clip_names`.
        second: The same of the clip on the right.
    """
    toss = {pair: hashlib.sha256(str(pair).encode()).digest()[0] % 2 == 1 for pair in pair_ids.unique()}
    return (first > second) != pair_ids.map(toss).astype(bool)


def pair_items(pairwise: Table) -> Table:
    """One row per verdict: item, annotator, value. Clips, not models, are told apart: both may be of one model."""
    swapped = turned(pairwise["pair_id"], clip_names(pairwise, "a"), clip_names(pairwise, "b"))
    left, right = np.where(swapped, "2", "1"), np.where(swapped, "1", "2")
    is_a, is_b = pairwise["winner"] == "a", pairwise["winner"] == "b"
    outcome = pd.Series(np.select([is_a, is_b], [left, right], pairwise["winner"].astype(str)), index=pairwise.index)
    return pairwise.assign(item=pairwise["pair_id"], value=outcome.map(_CODES).astype(float))


def clip_items(ratings: Table) -> Table:
    """One row per rating: item (a clip of a prompt, in whichever pairs it was shown), annotator, value."""
    clip = clip_names(ratings, "a").where(ratings["rated_clip"] == "a", clip_names(ratings, "b"))
    return ratings.assign(item=ratings["prompt_id"].astype(str) + " " + clip, value=ratings["rating"])


def clip_names(votes: Table, side: str) -> Table:
    """A name for the clip on one side of each vote, from what is known of it."""
    known = [votes[f"{name}_{side}"].astype(object).fillna("").astype(str) for name in ("model", "clip", "clip_sha256")]
    return known[0] + " " + known[1] + " " + known[2]


def judgement_matrix(judgements: Table) -> np.ndarray:
    """(annotators, items); who judged an item several times (in several pairs) counts with one of them, by vote_id."""
    ordered = judgements.sort_values("vote_id", key=lambda column: column.astype(str))
    table = ordered.pivot_table(index="annotator", columns="item", values="value", aggfunc="first")
    return table.to_numpy(dtype=float)
