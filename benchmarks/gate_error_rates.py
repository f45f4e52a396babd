"""How often the gate errs: `python benchmarks/gate_error_rates.py` prints the table of docs/gate.md.

Simulated per-prompt losses (they are no measurements) go through the same arithmetic as a real gate:
mean, t interval, Holm, verdict. Half of the spread of each metric is shared by all metrics of a gate, as metrics of one
clip are correlated. The unit is the margin.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable

import numpy as np

from stepbench.gate.verdicts import Evidence, Verdict, decide, worst
from stepbench.stats import gate_prompts, mean_interval, set_metric_difference
from stepbench.stats.checks import StatisticsError

ALPHA = 0.05
SHARED = 0.5
"""Correlation between the losses of two metrics on one prompt."""

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
"""Draws of mean 0 and variance 1."""

NOISES: dict[str, Noise] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails (t, 4 degrees of freedom)": lambda rng, shape: rng.standard_t(4, size=shape) / math.sqrt(2),
    "rare large losses (exponential)": lambda rng, shape: rng.exponential(size=shape) - 1,
    "rare large gains (exponential)": lambda rng, shape: 1 - rng.exponential(size=shape),
}


def losses(
    rng: np.random.Generator, n: int, means: Iterable[float], deviation: float, noise: Noise = NOISES["normal"]
) -> np.ndarray:
    """Per-prompt losses of one gate, shape (prompts, metrics)."""
    means = np.array(list(means))
    shared, own = noise(rng, (n, 1)), noise(rng, (n, len(means)))
    return means + deviation * (math.sqrt(SHARED) * shared + math.sqrt(1 - SHARED) * own)


def verdicts(table: np.ndarray, margin: float = 1.0, alpha: float = ALPHA) -> list[Verdict]:
    """The gate's verdict on each metric of a table of losses."""
    evidence = []
    for column in table.T:
        found = mean_interval(column, level=1 - alpha)
        evidence.append(
            Evidence(
                n=found.n,
                loss=found.estimate,
                low=found.low,
                high=found.high,
                standard_error=found.standard_error,
                margin=margin,
            )
        )
    return [decision.verdict for decision in decide(evidence, alpha)]


def shares(
    rng: np.random.Generator,
    simulations: int,
    n: int,
    means: Iterable[float],
    deviation: float,
    noise: Noise = NOISES["normal"],
) -> dict[str, float]:
    """Share of simulated gates that end with each verdict."""
    means = list(means)
    ended = [worst(verdicts(losses(rng, n, means, deviation, noise))) for _ in range(simulations)]
    return {verdict: ended.count(verdict) / simulations for verdict in ("pass", "inconclusive", "regression")}


def share_with_pilot(rng: np.random.Generator, simulations: int, metrics: int, deviation: float, pilot: int) -> float:
    """Share of drops of 1.5 margins found when n comes from the spread of a pilot of so many prompts."""
    found = 0
    for _ in range(simulations):
        spread = float(losses(rng, pilot, [0.0], deviation).std(ddof=1))
        n = int(gate_prompts(1.0, spread, metrics=metrics))
        found += worst(verdicts(losses(rng, n, [1.5] + [0.0] * (metrics - 1), deviation))) == "regression"
    return found / simulations


def set_metric_shares(rng: np.random.Generator, simulations: int, n: int, drop: float) -> dict[str, float]:
    """The same for a Frechet distance of simulated features, by the paired bootstrap; `drop` in margins of 0.25."""
    from metrics.functional import frechet_distance

    ended = []
    for _ in range(simulations):
        reference = rng.normal(size=(256, 4))
        prompts = rng.normal(size=(n, 4))
        a, b = (math.sqrt(0.7) * prompts + math.sqrt(0.3) * rng.normal(size=(n, 4)) for _ in range(2))
        # A shift s away from a reference with mean m costs s^2 - 2 s m; this one costs `drop` margins.
        mean = reference[:, 0].mean()
        b[:, 0] += mean + math.copysign(math.sqrt(mean**2 + 0.25 * drop), -mean if drop == 0 else 1)
        found = set_metric_difference(
            a, b, reference, lambda x, y: float(frechet_distance(x, y)), rng=rng, draws=200, permutations=0
        )
        evidence = Evidence(
            n=n,
            loss=found.estimate,
            low=found.low,
            high=found.high,
            standard_error=found.standard_error,
            margin=0.25,
        )
        ended.append(decide([evidence], ALPHA)[0].verdict)
    return {verdict: ended.count(verdict) / simulations for verdict in ("pass", "inconclusive", "regression")}


def report(simulations: int, seed: int = 0) -> list[tuple[str, ...]]:
    """All rows of the table: what was simulated, metrics, prompts, then the shares."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, ...]] = []

    def row(what: str, metrics: int | str, n: int | str, ended: dict[str, float]) -> None:
        rows.append(
            (what, str(metrics), str(n), *(f"{ended[key]:.1%}" for key in ("pass", "inconclusive", "regression")))
        )

    for metrics in (1, 5, 16):
        for deviation in (1.0, 3.0):
            n = int(gate_prompts(1.0, deviation, metrics=metrics))
            spread = f"spread {deviation:g} margin{'s' if deviation != 1 else ''}"
            row(f"no change, {spread}", metrics, n, shares(rng, simulations, n, [0.0] * metrics, deviation))
            dropped = [1.5] + [0.0] * (metrics - 1)
            row(f"one metric loses 1.5 margins, {spread}", metrics, n, shares(rng, simulations, n, dropped, deviation))
    for name in ("normal", "heavy tails (t, 4 degrees of freedom)"):
        for metrics in (1, 5, 16):
            for n in (8, 32):
                ended = shares(rng, simulations, n, [0.0] * metrics, 30.0, NOISES[name])
                row(f"no change, spread 30 margins, {name}", metrics, n, ended)
    for name, noise in NOISES.items():
        for metrics in (1, 5, 16):
            for n in (12, 64):
                means = [1.0] * metrics
                row(f"every metric loses 1 margin, {name}", metrics, n, shares(rng, simulations, n, means, 3.0, noise))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.simulations < 1:
        raise StatisticsError(f"need at least one simulation, got {options.simulations}")
    print("| simulated | metrics | prompts | pass | inconclusive | regression |")
    print("|---|---|---|---|---|---|")
    for row in report(options.simulations, options.seed):
        print(f"| {' | '.join(row)} |")
    rng = np.random.default_rng([options.seed, 1])
    for metrics in (1, 5):
        found = share_with_pilot(rng, options.simulations, metrics, 3.0, pilot=32)
        print(f"| a drop of 1.5 margins, n from a pilot of 32 prompts | {metrics} | - | - | - | {found:.1%} |")
    for what, drop in (("no change", 0.0), ("a loss of 1 margin", 1.0), ("a drop of 1.5 margins", 1.5)):
        ended = set_metric_shares(rng, max(1, options.simulations // 4), 128, drop)
        print(f"| set metric: {what} | 1 | 128 | {' | '.join(f'{share:.1%}' for share in ended.values())} |")


if __name__ == "__main__":
    main()
