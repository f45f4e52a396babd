"""Wins, ties and losses by annotator and category, as in the tables of the Step-Video-T2V report."""

from __future__ import annotations

import pandas as pd

from stepbench.preferences.ratings.counting import Table
from stepbench.preferences.ratings.head_to_head import oriented
from stepbench.stats.paired import sign_test

TOTAL = "total"


def annotator_tables(pairwise: Table) -> Table:
    """How each annotator judged the first model of each pair, category by category and over all of them.

    Args:
        pairwise: Votes of one dimension, as `CountedVotes.pairwise`. Pairs of clips of one model are left out.

    Returns:
        One row per pair of models, annotator and category, and one with category `TOTAL`: model, opponent, annotator,
        simulated, category, wins, ties, losses, both_bad, p (two-sided sign test on wins and losses, ties dropped).
    """
    votes = oriented(pairwise[pairwise["model_a"] != pairwise["model_b"]])
    keys = ["model_1", "model_2", "annotator", "simulated"]
    every: Table = pd.concat([votes, votes.assign(category=TOTAL)])
    rows = []
    for (model, opponent, annotator, simulated, category), group in every.groupby([*keys, "category"]):
        counts = group["outcome"].value_counts()
        wins, losses = int(counts.get("1", 0)), int(counts.get("2", 0))
        rows.append(
            {
                "model": model,
                "opponent": opponent,
                "annotator": annotator,
                "simulated": bool(simulated),
                "category": category,
                "wins": wins,
                "ties": int(counts.get("tie", 0)),
                "losses": losses,
                "both_bad": int(counts.get("both_bad", 0)),
                "p": sign_test(wins, losses),
            }
        )
    # Totals stand below the categories that they sum.
    rows.sort(key=lambda row: (row["model"], row["opponent"], row["annotator"], row["category"] == TOTAL))
    return pd.DataFrame(rows)
