"""Speed and memory of the ratings: `python benchmarks/ratings.py` prints one line per size.

Simulated votes with ties, side effect and both-bad answers; the time covers reading the table of strings, the fit, the
two-way (prompt x annotator) uncertainty and 1,000 joint draws. The peak is that of the process, the table included.
"""

from __future__ import annotations

import resource
import time

import numpy as np
import pandas as pd

from stepbench.stats import bradley_terry

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
    print(f"{'votes':>9} {'models':>6} {'prompts':>7} {'annotators':>10} {'seconds':>8} {'peak MiB':>8}")
    for size in SIZES:
        votes = simulated_votes(*size, np.random.default_rng(0))
        start = time.perf_counter()
        bradley_terry(votes, rng=np.random.default_rng(1), draws=1000)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{size[0]:>9,} {size[1]:>6} {size[2]:>7,} {size[3]:>10} {seconds:>8.2f} {peak:>8,.0f}")


if __name__ == "__main__":
    main()
