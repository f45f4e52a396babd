"""Two models against each other, one row per pair of models: wins, ties, losses, and a sign test over prompts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stepbench.preferences.ratings.counting import Table
from stepbench.preferences.ratings.two_way_mean import two_way_share
from stepbench.stats.multiplicity import holm
from stepbench.stats.paired import sign_test


def oriented(pairwise: Table) -> Table:
    """The same votes with the sides undone.

    Args:
        pairwise: As `CountedVotes.pairwise`.

    Returns:
        With columns `model_1`, `model_2` (in order of name) and `outcome`: "1", "2", "tie" or "both_bad".
    """
    swapped = pairwise["model_a"].astype(str) > pairwise["model_b"].astype(str)
    names = {"a": np.where(swapped, "2", "1"), "b": np.where(swapped, "1", "2")}
    outcome = pairwise["winner"].astype(object).to_numpy(copy=True)
    for side, numbers in names.items():
        outcome = np.where(pairwise["winner"] == side, numbers, outcome)
    return pairwise.assign(
        model_1=np.where(swapped, pairwise["model_b"], pairwise["model_a"]),
        model_2=np.where(swapped, pairwise["model_a"], pairwise["model_b"]),
        outcome=outcome,
    )


def head_to_head(pairwise: Table, *, level: float = 0.95) -> Table:
    """How the first model of each pair fared against the second.

    The prompt is the unit of the test: the votes on one prompt are netted to a win, a tie or a loss first, so that ten
    annotators on one prompt are not ten prompts. With one vote per prompt this is the sign test on the votes. "Both
    bad" favours neither; its share stands by itself.

    Args:
        pairwise: Votes of one dimension, as `CountedVotes.pairwise`. Pairs of clips of one model are left out.
        level: Coverage of the interval of the win rate.

    Returns:
        One row per pair of models: model, opponent, votes, wins, ties, losses, both_bad, win_rate (ties and "both bad"
        count half) with low and high, prompts, prompts_won, prompts_lost, p, and p_adjusted (Holm over all rows).
    """
    votes = oriented(pairwise[pairwise["model_a"] != pairwise["model_b"]])
    rows = [_row(str(one), str(two), group, level) for (one, two), group in votes.groupby(["model_1", "model_2"])]
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_adjusted"] = float(adjusted)
    return pd.DataFrame(rows)


def _row(model: str, opponent: str, votes: Table, level: float) -> dict[str, Any]:
    counts = votes["outcome"].value_counts()
    wins, losses, ties, bad = (int(counts.get(name, 0)) for name in ("1", "2", "tie", "both_bad"))
    value = votes["outcome"].map({"1": 1.0, "2": 0.0}).fillna(0.5)
    rate = two_way_share(value, votes["prompt_id"], votes["annotator"], level=level)
    net = (value - 0.5).groupby(votes["prompt_id"]).sum()
    won, lost = int((net > 0).sum()), int((net < 0).sum())
    return {
        "model": model,
        "opponent": opponent,
        "votes": len(votes),
        "wins": wins,
        "ties": ties,
        "losses": losses,
        "both_bad": bad,
        "win_rate": rate.estimate,
        "low": rate.low,
        "high": rate.high,
        "prompts": int(net.size),
        "prompts_won": won,
        "prompts_lost": lost,
        "p": sign_test(won, lost),
    }
