"""Speed and memory of the ratings: `python benchmarks/ratings.py` prints one line per size.

Simulated votes with ties, side effect and both-bad answers. `fit` codes the table of strings and fits the model,
`bootstrap` finds the two-way (prompt x annotator) covariance and makes 1,000 joint draws and their ranks, `call` is one
call of `bradley_terry` with everything: seconds of processor time over all threads, which other load does not stretch.
The peak is that of the process, the table included.
"""

from __future__ import annotations

import resource
import time

import numpy as np
import pandas as pd

from stepbench.stats import bradley_terry, davidson
from stepbench.stats.ballot import BOTH_BAD, read_votes, vote_counts
from stepbench.stats.ratings import ranks_of, rating_covariance
from stepbench.stats.two_way import draw

SIZES = ((1_000, 4, 128, 6), (10_000, 10, 400, 20), (100_000, 30, 2_000, 100), (1_000_000, 100, 10_000, 500))


def simulated_votes(n: int, models: int, prompts: int, annotators: int, rng: np.random.Generator) -> pd.DataFrame:
    a = rng.integers(models, size=n)
    b = (a + 1 + rng.integers(models - 1, size=n)) % models
    ratings = np.linspace(1, -1, models)
    lead = ratings[a] - ratings[b] + 0.1
    weights = np.stack([np.exp(lead / 2), np.exp(-lead / 2), np.full(n, 0.4), np.full(n, 0.1)])
    winner = (rng.random(n) * weights.sum(axis=0) > weights.cumsum(axis=0)).sum(axis=0)
    return pd.DataFrame(
        {
            "model_a": np.char.add("model-", a.astype(str)),
            "model_b": np.char.add("model-", b.astype(str)),
            "winner": np.array(["a", "b", "tie", "both_bad"])[winner],
            "prompt_id": np.char.add("prompt-", rng.integers(prompts, size=n).astype(str)),
            "annotator": np.char.add("annotator-", rng.integers(annotators, size=n).astype(str)),
        }
    )


def main() -> None:
    heads = ("votes", "models", "prompts", "annotators", "fit", "bootstrap", "call", "peak MiB")
    print(" ".join(f"{head:>11}" for head in heads))
    for size in SIZES:
        votes = simulated_votes(*size, np.random.default_rng(0))
        start = time.process_time()
        ballot = read_votes(votes)
        relative = ballot.only(ballot.winner != BOTH_BAD)
        counts = vote_counts(relative)
        parameters = davidson.fit(counts)
        fitted = time.process_time()
        covariance, freedom = rating_covariance(relative, counts, parameters)
        ranks_of(parameters[: size[1]] + draw(covariance, freedom, 1000, np.random.default_rng(1)))
        drawn = time.process_time()
        bradley_terry(votes, rng=np.random.default_rng(1), draws=1000)
        called = time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds = " ".join(f"{value:>11.2f}" for value in (fitted - start, drawn - fitted, called - drawn))
        print(" ".join(f"{number:>11,}" for number in size), seconds, f"{peak:>11,.0f}", flush=True)


if __name__ == "__main__":
    main()
