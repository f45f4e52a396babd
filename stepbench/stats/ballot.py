"""Votes as they come in a table, checked and turned into codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from stepbench.errors import NotComparableError
from stepbench.stats.checks import StatisticsError
from stepbench.stats.davidson import Counts

COLUMNS = ("model_a", "model_b", "winner", "prompt_id", "annotator")
WINNERS = ("a", "b", "tie", "both_bad")
BOTH_BAD = WINNERS.index("both_bad")


@dataclass(frozen=True)
class Ballot:
    """Votes as codes: a, b index `models`; winner indexes `WINNERS`; all arrays of shape (votes,)."""

    models: list[Any]
    a: np.ndarray
    b: np.ndarray
    winner: np.ndarray
    prompt: np.ndarray
    annotator: np.ndarray

    def only(self, mask: np.ndarray) -> Ballot:
        """The votes where `mask` is True."""
        arrays = (self.a, self.b, self.winner, self.prompt, self.annotator)
        return Ballot(self.models, *(array[mask] for array in arrays))


def read_votes(votes: pd.DataFrame) -> Ballot:
    """Code a table of votes. Raises `StatisticsError` naming the first row that cannot be used; nothing is guessed."""
    missing = [name for name in COLUMNS if name not in votes.columns]
    if missing:
        raise StatisticsError(
            f"votes need the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}",
            hint="rename the columns of your own table first",
        )
    for name in COLUMNS:
        _refuse(votes, votes[name].isna().to_numpy(), f"has no {name}")
    winner = pd.Index(WINNERS).get_indexer(pd.Index(votes["winner"]))
    _refuse(votes, winner < 0, "has an unknown winner", f"a winner is one of {', '.join(map(repr, WINNERS))}")
    # Sorted, so that the order of the votes changes nothing.
    codes, models = pd.factorize(np.concatenate([votes["model_a"], votes["model_b"]]), sort=True)
    a, b = codes[: len(votes)], codes[len(votes) :]
    _refuse(votes, a == b, "compares a model with itself")
    prompt, annotator = (pd.factorize(votes[name])[0] for name in ("prompt_id", "annotator"))
    return Ballot(list(models), a, b, winner, prompt, annotator)


def _refuse(votes: pd.DataFrame, bad: np.ndarray, problem: str, hint: str = "correct or drop such rows first") -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        shown = votes.iloc[rows[0]][list(COLUMNS)].to_dict()
        raise StatisticsError(f"vote at row {rows[0]} {problem}: {shown} ({rows.size} such rows)", hint=hint)


def vote_counts(ballot: Ballot) -> Counts:
    """How often each ordered pair of models had each outcome; without "both bad" votes."""
    models = len(ballot.models)
    cells = (ballot.winner * models + ballot.a) * models + ballot.b
    return Counts(*np.bincount(cells, minlength=3 * models**2).astype(float).reshape(3, models, models))


def connected_groups(votes: np.ndarray) -> tuple[int, np.ndarray]:
    """Number of groups of models without a vote between them, and the group of each model.

    Args:
        votes: Votes of each ordered pair, shape (models, models).
    """
    groups, labels = connected_components(sparse.csr_array(votes), directed=False)
    return int(groups), labels


def check_connected(ballot: Ballot) -> None:
    """Raise `NotComparableError` with the groups of models when votes do not connect them all."""
    groups, labels = connected_groups(vote_counts(ballot).total)
    if groups > 1:
        members = [
            [str(m) for m, label in zip(ballot.models, labels, strict=True) if label == g] for g in range(groups)
        ]
        listed = "; ".join("{" + ", ".join(names) + "}" for names in members)
        raise NotComparableError(
            f"no vote connects these groups of models, so they share no scale: {listed}",
            hint="collect votes between the groups, or rate each group alone ('both bad' connects nothing)",
        )
