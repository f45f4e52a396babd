"""Ratings from 1 to 5: the mean of each model and dimension, with an interval and the words of the scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from stepbench.errors import UsageError
from stepbench.preferences.ratings.counting import Table
from stepbench.preferences.ratings.two_way_mean import two_way_mean

SCALE = (1, 2, 3, 4, 5)


def mean_ratings(ratings: Table, *, anchors: Mapping[str, Sequence[str]] | None = None, level: float = 0.95) -> Table:
    """Mean rating of each model in each dimension.

    Args:
        ratings: As `CountedVotes.ratings`: `rated_clip` says which side's clip was rated.
        anchors: Dimension -> the protocol's words for 1 to 5.
        level: Coverage of the intervals, which are clustered by prompt and annotator.

    Returns:
        One row per dimension and model: dimension, model, mean, low, high, n, prompts, annotators, counts (of 1 to 5),
        nearest_anchor (the words for the whole number next to the mean; empty without anchors).

    Raises:
        UsageError: A rating that is no whole number from 1 to 5, or one without its clip.
    """
    rows: list[dict[str, Any]] = []
    if ratings.empty:
        return pd.DataFrame(rows)
    wrong = ratings[~ratings["rating"].isin(SCALE) | ~ratings["rated_clip"].isin(["a", "b"])]
    if len(wrong):
        first = wrong.iloc[0]
        raise UsageError(
            f"vote {first['vote_id']}: rating {first['rating']} of clip {first['rated_clip']!r}",
            hint="a rating is a whole number from 1 to 5, of clip a or b",
        )
    model = ratings["model_a"].where(ratings["rated_clip"] == "a", ratings["model_b"])
    for (dimension, name), group in ratings.assign(model=model).groupby(["dimension", "model"]):
        found = two_way_mean(group["rating"], group["prompt_id"], group["annotator"], level=level)
        words = (anchors or {}).get(str(dimension), [])
        rows.append(
            {
                "dimension": dimension,
                "model": name,
                "mean": found.estimate,
                "low": found.low,
                "high": found.high,
                "n": found.n,
                "prompts": found.n_clusters,
                "annotators": int(group["annotator"].nunique()),
                "counts": [int((group["rating"] == value).sum()) for value in SCALE],
                "nearest_anchor": words[round(found.estimate) - 1] if len(words) == len(SCALE) else "",
            }
        )
    return pd.DataFrame(rows)
