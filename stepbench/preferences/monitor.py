"""Looking at the win rate while votes come in, without the looking making errors more likely."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stepbench.preferences.protocol import Protocol
from stepbench.preferences.ratings.counting import prompt_units
from stepbench.stats import win_rate_monitor

MONITOR_COLUMNS = ("model_1", "model_2", "prompts", "win_rate", "low", "high", "p", "decided")
LEVEL = 0.95
Table = Any


def win_rates(votes: pd.DataFrame, pairs: pd.DataFrame, protocol: Protocol, *, level: float = LEVEL) -> pd.DataFrame:
    """The win rate of every two models so far, with bounds that hold however often one looks.

    One outcome per prompt: the mean over its votes (1 a win of model_1, 0 a loss, 0.5 a tie or both bad), in the order
    in which prompts were completed. A prompt waits until all its pairs of the two models have their votes; translations
    of one prompt are one.

    Args:
        votes: `Study.votes`; those of excluded annotators, gold pairs, repeats, skips and two clips of one
            model are left out.
        pairs: `Study.pairs`.
        protocol: Its main question is asked; there is no row where it has none.
        level: Chance that the bounds hold at all times together, per two models.

    Returns:
        One row per two models, the first by name as model_1. `decided` says whether the bounds leave one half.
    """
    main, table, planned = protocol.main_question, _any(votes), _any(pairs)
    if main is None:
        return pd.DataFrame(columns=list(MONITOR_COLUMNS))
    table, planned = (frame.assign(prompt_id=prompt_units(frame)) for frame in (table, planned))
    planned = planned[planned["kind"] == "real"]
    lacking = planned[(planned["votes"] < planned["target_votes"]).fillna(False).astype(bool)]
    waiting = {_key(*row) for row in zip(lacking["prompt_id"], lacking["model_1"], lacking["model_2"], strict=True)}
    counted = table[(table["kind"] == "real") & (table["dimension"] == main.id)]
    keys = zip(counted["prompt_id"], counted["model_a"], counted["model_b"], strict=True)
    counted = counted.loc[[_key(*key) not in waiting for key in keys]]
    counted = counted[counted["excluded"].isna() & (counted["winner"] != "skip")]
    counted = counted[counted["model_a"] != counted["model_b"]]
    turned = counted["model_a"] > counted["model_b"]
    outcome = counted["winner"].map({"a": 1.0, "b": 0.0, "tie": 0.5, "both_bad": 0.5})
    counted = counted.assign(
        model_1=counted["model_a"].where(~turned, counted["model_b"]),
        model_2=counted["model_b"].where(~turned, counted["model_a"]),
        outcome=outcome.where(~turned, 1 - outcome),
    )
    rows = []
    for (one, two), own in counted.groupby(["model_1", "model_2"], sort=True):
        of_prompt = own.groupby("prompt_id").agg(outcome=("outcome", "mean"), done=("submitted_at", "max"))
        watched = win_rate_monitor(of_prompt.sort_values(["done", "prompt_id"])["outcome"].to_numpy(), level=level)
        last = watched.iloc[-1]
        rows.append(
            {
                "model_1": one,
                "model_2": two,
                "prompts": len(of_prompt),
                "win_rate": float(last["win_rate"]),
                "low": float(last["low"]),
                "high": float(last["high"]),
                "p": float(last["p"]),
                "decided": bool(last["low"] > 0.5 or last["high"] < 0.5),
            }
        )
    return pd.DataFrame(rows, columns=list(MONITOR_COLUMNS))


def _key(prompt: str, one: str, two: str) -> tuple[str, str, str]:
    return prompt, min(one, two), max(one, two)


def _any(frame: pd.DataFrame) -> Table:
    return frame
