"""Tables of votes for tests: by hand, with exchanged sides, and simulated with favourites of prompts and annotators."""

from __future__ import annotations

import numpy as np
import pandas as pd


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def ballots(*groups: tuple[str, str, str, int]) -> pd.DataFrame:
    """`(model_a, model_b, winner, how often)`: each vote on a prompt of its own, by twelve annotators in turn."""
    rows = [group[:3] for group in groups for _ in range(group[3])]
    votes = pd.DataFrame(rows, columns=["model_a", "model_b", "winner"])
    return votes.assign(
        prompt_id=[f"p{i}" for i in range(len(votes))], annotator=[f"n{i % 12}" for i in range(len(votes))]
    )


def swapped(votes: pd.DataFrame) -> pd.DataFrame:
    """The same judgements with the sides exchanged."""
    turned = votes.rename(columns={"model_a": "model_b", "model_b": "model_a"})
    return turned.assign(winner=turned["winner"].map({"a": "b", "b": "a", "tie": "tie", "both_bad": "both_bad"}))


def simulated(
    generator: np.random.Generator,
    ratings: np.ndarray,
    prompts: np.ndarray,
    annotators: np.ndarray,
    *,
    prompt_sd: float = 0.0,
    annotator_sd: float = 0.0,
    side: float = 0.0,
    tie: float = 0.4,
) -> pd.DataFrame:
    """Votes whose prompts and annotators favour models of their own."""
    n, models = prompts.size, ratings.size
    a = generator.integers(models, size=n)
    b = (a + 1 + generator.integers(models - 1, size=n)) % models
    strength = (
        ratings
        + generator.normal(0, prompt_sd, (prompts.max() + 1, models))[prompts]
        + generator.normal(0, annotator_sd, (annotators.max() + 1, models))[annotators]
    )
    row = np.arange(n)
    half_lead = (strength[row, a] - strength[row, b] + side) / 2
    weights = np.stack([np.exp(half_lead), np.exp(-half_lead), np.full(n, tie)])
    winner = (generator.random(n) * weights.sum(axis=0) > weights.cumsum(axis=0)).sum(axis=0)
    return pd.DataFrame(
        {
            "model_a": a,
            "model_b": b,
            "winner": np.array(["a", "b", "tie"])[winner],
            "prompt_id": prompts,
            "annotator": annotators,
        }
    )
