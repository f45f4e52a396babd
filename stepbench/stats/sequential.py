"""Watching a win rate while votes come in, with error rates that hold however often one looks.

A bettor starts with 1 and stakes a share of it on each outcome. If the win rate really is the one assumed, the purse
cannot be expected to grow, so it ever reaches 1 / alpha with a chance of at most alpha (Ville's inequality). Betting
many shares at once needs no guess of the effect (Waudby-Smith and Ramdas 2024). Give one outcome per prompt, in random
order of prompts; several votes on one prompt are averaged into one outcome first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stepbench.stats.checks import StatisticsError, finite_vector, fraction

SHARES = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.6, 0.9])
"""Bets, as shares of the largest stake that cannot go broke: small ones for small effects, large for plain cases."""

RESOLUTION = 0.001
"""Grid step of the confidence sequence; its bounds are rounded outwards."""


def e_process(outcomes: Any, null: float = 0.5) -> np.ndarray:
    """Evidence against a mean outcome of `null` after each outcome, shape (n,). 20 is evidence at the level of 5 %.

    Args:
        outcomes: Values in [0, 1] in the order in which they came: 1 a win, 0 a loss, 0.5 a tie; shape (n,).
        null: The mean outcome under test, between 0 and 1.

    Raises:
        StatisticsError: For outcomes outside [0, 1], NaN, or a null outside (0, 1).
    """
    outcomes = _outcomes(outcomes)
    bets = _bets(np.array([fraction("null", null)]))[0]
    growth = np.log1p(bets * (outcomes[:, None] - null))
    return np.exp(np.logaddexp.reduce(np.cumsum(growth, axis=0), axis=1) - np.log(bets.size))


def win_rate_monitor(outcomes: Any, *, level: float = 0.95) -> pd.DataFrame:
    """The win rate after each outcome with bounds and p that stay valid under continuous looking and stopping.

    Args:
        outcomes: As in `e_process`.
        level: Chance that the bounds hold at all times together.

    Returns:
        One row per outcome: n, win_rate, low, high, e_value (against one half), p (smallest so far). Empty without
        outcomes.

    Raises:
        StatisticsError: As `e_process`, and for an impossible level.
    """
    outcomes = _outcomes(outcomes)
    threshold = -np.log1p(-fraction("level", level))
    rates = np.arange(RESOLUTION / 2, 1, RESOLUTION)
    bets = _bets(rates)
    wealth = np.zeros_like(bets)
    evidence = np.zeros_like(rates)
    bounds = np.empty((outcomes.size, 2))
    for index, outcome in enumerate(outcomes):
        wealth += np.log1p(bets * (outcome - rates[:, None]))
        largest = wealth.max(axis=1)
        current = largest + np.log(np.exp(wealth - largest[:, None]).mean(axis=1))
        evidence = np.maximum(evidence, current)
        # Should every rate be ruled out, which has a chance below 1 - level, the least unlikely one is kept.
        kept = rates[evidence <= max(threshold, evidence.min())]
        bounds[index] = max(0.0, kept[0] - RESOLUTION), min(1.0, kept[-1] + RESOLUTION)
    count = np.arange(1, outcomes.size + 1)
    e_values = e_process(outcomes)
    return pd.DataFrame(
        {
            "n": count,
            "win_rate": np.cumsum(outcomes) / count,
            "low": bounds[:, 0],
            "high": bounds[:, 1],
            "e_value": e_values,
            "p": np.minimum(1.0, 1 / np.maximum.accumulate(e_values)),
        }
    )


def _bets(rates: np.ndarray) -> np.ndarray:
    """Stakes for and against each assumed rate, shape (rates, bets): no outcome in [0, 1] can lose everything."""
    return np.concatenate([SHARES / rates[:, None], -SHARES / (1 - rates[:, None])], axis=1)


def _outcomes(outcomes: Any) -> np.ndarray:
    outcomes = finite_vector("outcomes", outcomes)
    bad = np.flatnonzero((outcomes < 0) | (outcomes > 1))
    if bad.size:
        raise StatisticsError(
            f"outcomes lie in [0, 1], got {outcomes[bad[0]]} at index {bad[0]}",
            hint="1 is a win, 0.5 a tie, 0 a loss",
        )
    return outcomes
