"""How well the votes so far determine the ratings: what active pairing goes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stepbench.stats import davidson

if TYPE_CHECKING:
    import pandas as pd


def rating_spread(votes: pd.DataFrame, models: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of the ratings about their mean, and the information of one more vote between any two models.

    Args:
        votes: Columns model_a, model_b and winner ("a", "b" or "tie"), of the models named.
        models: All models, with or without votes; the prior stands in for what nobody voted on.

    Returns:
        Two matrices of shape (models, models), both symmetric; the second with a diagonal of 0.
    """
    n = len(models)
    place = {model: index for index, model in enumerate(models)}
    tallies = {winner: np.zeros((n, n)) for winner in ("a", "b", "tie")}
    for a, b, winner in zip(votes["model_a"], votes["model_b"], votes["winner"], strict=True):
        tallies[winner][place[a], place[b]] += 1
    counts = davidson.Counts(tallies["a"], tallies["b"], tallies["tie"])
    parameters = davidson.fit(counts)
    centre = np.eye(n) - 1 / n
    covariance = centre @ np.linalg.inv(davidson.information(parameters, counts))[:n, :n] @ centre
    ratings = parameters[:n]
    up = np.exp((ratings[:, None] - ratings[None, :]) / 2)
    level = np.exp(parameters[-1]) if tallies["tie"].any() else 0.0
    total = up + 1 / up + level
    # Variance of the score of one vote: of +1/2, 0 and -1/2 with their chances.
    weight = (1 - level / total) / 4 - ((up - 1 / up) / total / 2) ** 2
    np.fill_diagonal(weight, 0.0)
    return covariance, weight
