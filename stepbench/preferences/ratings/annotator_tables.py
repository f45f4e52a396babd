"""Wins, ties and losses by annotator and category, as in the tables of the Step-Video-T2V report."""

from __future__ import annotations

import pandas as pd

from stepbench.preferences.ratings.counting import Table
from stepbench.preferences.ratings.head_to_head import oriented
from stepbench.stats.paired import sign_test

TOTAL = "total"
_OUTCOMES = {"1": "wins", "tie": "ties", "2": "losses", "both_bad": "both_bad"}
COLUMNS = ("model", "opponent", "annotator", "simulated", "category", *_OUTCOMES.values(), "p")


def annotator_tables(pairwise: Table) -> Table:
    """How each annotator judged the first model of each pair, category by category and over all of them.

    Args:
        pairwise: Votes of one dimension, as `CountedVotes.pairwise`. Pairs of clips of one model are left out.

    Returns:
        One row per pair of models, annotator and category, and one with category `TOTAL`: model, opponent, annotator,
        simulated, category, wins, ties, losses, both_bad, p (two-sided sign test on wins and losses, ties dropped).
    """
    votes = oriented(pairwise[pairwise["model_a"] != pairwise["model_b"]])
    if votes.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    every: Table = pd.concat([votes, votes.assign(category=TOTAL)]).fillna({"category": "none"})
    keys = ["model_1", "model_2", "annotator", "simulated", "category", "outcome"]
    counts: Table = every.groupby(keys).size().unstack(fill_value=0).reindex(columns=list(_OUTCOMES), fill_value=0)
    rows = counts.rename(columns=_OUTCOMES).reset_index().rename(columns={"model_1": "model", "model_2": "opponent"})
    rows["p"] = [sign_test(wins, losses) for wins, losses in zip(rows["wins"], rows["losses"], strict=True)]
    # Totals stand below the categories that they sum.
    rows = rows.assign(last=rows["category"] == TOTAL)
    rows = rows.sort_values(["model", "opponent", "annotator", "last", "category"], ignore_index=True)
    return rows[list(COLUMNS)]
