"""How much first place hangs on: one annotator, one category, or a handful of votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stepbench.stats import davidson
from stepbench.stats.ballot import BOTH_BAD, Ballot, check_connected, connected_groups, read_votes, vote_counts
from stepbench.stats.checks import StatisticsError
from stepbench.stats.davidson import Counts

OVERTAKEN = 1e-6
"""A lead in log-odds below which two ratings count as equal: the fit settles to about 1e-7."""

RIVALS = 5
"""How many rivals are tried: those whom, by one Newton step, the fewest votes would bring past the leader."""

BATCH = 32
"""Fits at once, which bounds memory: each holds a square matrix of the models."""


@dataclass(frozen=True, kw_only=True)
class FirstPlace:
    """The fewest votes found whose removal gives first place to another model.

    Attributes:
        leader: Model rated highest by all votes.
        second: Model rated next.
        lead: Rating of the leader minus that of the second, in log-odds.
        n_votes: Votes behind the ratings ("both bad" is none of them).
        n_removed: Votes to remove; None when no removal that was tried changes first place.
        share: n_removed over n_votes; NaN when None.
        new_leader: Who leads then; None when nobody else does.
        rows: Positions of these votes in the table given, in ascending order.
    """

    leader: Any
    second: Any
    lead: float
    n_votes: int
    n_removed: int | None
    share: float
    new_leader: Any
    rows: tuple[int, ...]


def leave_one_out(votes: pd.DataFrame, column: str) -> pd.DataFrame:
    """Fit the ratings again without each annotator, category, language ... in turn.

    Args:
        votes: As in `bradley_terry`, with the column to drop by.
        column: Such as `annotator` or `category`.

    Returns:
        One row per value of the column, the most consequential first: dropped, votes (how many go), leader, changed
        (True where another model leads than by all votes), lead (of the leader over the second, log-odds; NaN where the
        rest connects not all models, and `leader` is None then), largest_change (of any rating, log-odds), with the
        leader by all votes in `attrs["leader"]`. Empty without votes.

    Raises:
        StatisticsError: As `bradley_terry`, for a missing column, or for a row without a value in it.
        NotComparableError: When groups of models are not connected by votes.
    """
    if column not in votes.columns:
        raise StatisticsError(f"votes have no column {column!r}", hint=f"columns: {', '.join(map(str, votes.columns))}")
    unnamed = np.flatnonzero(votes[column].isna())
    if unnamed.size:
        raise StatisticsError(
            f"vote at row {unnamed[0]} has no {column}",
            hint=f"name it, or leave such votes out: votes[votes.{column}.notna()]",
        )
    columns = ["dropped", "votes", "leader", "changed", "lead", "largest_change"]
    ballot, rows = _relative(votes)
    if not ballot.models:
        return pd.DataFrame(columns=columns)
    counts = vote_counts(ballot)
    everything = davidson.fit(counts)
    models = len(ballot.models)
    leader = _leader(ballot, everything)
    codes, values = pd.factorize(votes[column].to_numpy()[rows], sort=True)
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    found = []
    for start in range(0, len(values), BATCH):
        block = range(start, min(start + BATCH, len(values)))
        left = np.stack([_stacked(counts) - _stacked(vote_counts(ballot.only(members[i]))) for i in block], axis=1)
        fits = davidson.fit(Counts(*left), everything)
        for i, kept, parameters in zip(block, left.sum(axis=0), fits, strict=True):
            connected = connected_groups(kept)[0] == 1
            first = _leader(ballot, parameters) if connected else None
            ordered = np.sort(parameters[:models])
            change = np.abs(parameters - everything)[:models].max() if connected else np.nan
            lead = ordered[-1] - ordered[-2] if connected else np.nan
            found.append((values[i], members[i].size, first, bool(connected and first != leader), lead, change))
    table = pd.DataFrame(found, columns=columns)
    table = table.sort_values(["changed", "lead"], ascending=[False, True], kind="stable", ignore_index=True)
    table.attrs["leader"] = leader
    return table


def first_place(votes: pd.DataFrame) -> FirstPlace:
    """The fewest votes found whose removal flips first place.

    Votes are ranked by their influence on the leader's lead over a rival (one Newton step), removed in that order, and
    the smallest number that does it is confirmed by a fit without them (Broderick, Giordano and Meager 2020). It is
    therefore enough to flip first place; that fewer never do is not proven beyond two models.

    Args:
        votes: As in `bradley_terry`.

    Raises:
        StatisticsError: As `bradley_terry`, and for a table without two models.
        NotComparableError: When groups of models are not connected by votes.
    """
    ballot, rows = _relative(votes)
    if len(ballot.models) < 2:
        raise StatisticsError("first place needs votes on two models or more, got none")
    counts = vote_counts(ballot)
    parameters = davidson.fit(counts)
    models = len(ballot.models)
    order = np.argsort(-parameters[:models], kind="stable")
    leader, second = int(order[0]), int(order[1])
    plans = []
    for rival in map(int, order[1:]):
        plan = _removal_order(counts, parameters, leader, rival)
        predicted = int(np.searchsorted(np.cumsum(plan.influence * plan.votes), parameters[leader] - parameters[rival]))
        plans.append((int(plan.votes[:predicted].sum()), rival, plan))
    best: np.ndarray | None = None
    for _, rival, plan in sorted(plans, key=lambda item: item[:2])[:RIVALS]:
        found = _fewest(counts, plan, leader, rival, parameters)
        if found is not None and (best is None or found.sum() < best.sum()):
            best = found
    n = int(ballot.winner.size)
    return FirstPlace(
        leader=ballot.models[leader],
        second=ballot.models[second],
        lead=float(parameters[leader] - parameters[second]),
        n_votes=n,
        n_removed=None if best is None else int(best.sum()),
        share=float("nan") if best is None else float(best.sum()) / n,
        new_leader=None if best is None else _leader(ballot, davidson.fit(_without(counts, best), parameters)),
        rows=() if best is None else tuple(sorted(rows[_chosen(ballot, best)].tolist())),
    )


@dataclass(frozen=True)
class _RemovalOrder:
    """Kinds of votes (outcome, model shown as A, as B) that help the leader against a rival, the most helpful first."""

    cell: np.ndarray
    influence: np.ndarray
    votes: np.ndarray

    def first(self, number: int, size: int) -> np.ndarray:
        """How many votes of each of `size` cells are among the first `number`, shape (size,)."""
        removed = np.zeros(size)
        before = np.cumsum(self.votes) - self.votes
        removed[self.cell] = np.clip(number - before, 0, self.votes)
        return removed


def _removal_order(counts: Counts, parameters: np.ndarray, leader: int, rival: int) -> _RemovalOrder:
    cells = np.flatnonzero(_stacked(counts))
    outcome, a, b = np.unravel_index(cells, _stacked(counts).shape)
    contrast = np.zeros(parameters.size)
    contrast[[leader, rival]] = 1, -1
    weight = np.linalg.solve(davidson.information(parameters, counts), contrast)
    by_rating, by_tie = davidson.vote_scores(parameters, a, b, outcome)
    influence = (weight[a] - weight[b] + weight[-2]) * by_rating + weight[-1] * by_tie
    order = np.argsort(-influence, kind="stable")
    order = order[influence[order] > 0]
    return _RemovalOrder(cells[order], influence[order], _stacked(counts).ravel()[cells[order]])


def _fewest(counts: Counts, plan: _RemovalOrder, leader: int, rival: int, start: np.ndarray) -> np.ndarray | None:
    """The fewest votes of each cell, taken in the order of the plan, without which the rival leads; None if none do."""
    size = _stacked(counts).size

    def overtakes(number: int) -> bool:
        fitted = davidson.fit(_without(counts, plan.first(number, size)), start)
        return bool(fitted[rival] - fitted[leader] > OVERTAKEN)

    low, high = 0, int(plan.votes.sum())
    if not overtakes(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if overtakes(middle) else (middle, high)
    return plan.first(high, size)


def _without(counts: Counts, removed: np.ndarray) -> Counts:
    return Counts(*(_stacked(counts) - removed.reshape(_stacked(counts).shape)))


def _chosen(ballot: Ballot, removed: np.ndarray) -> np.ndarray:
    """Positions of the first votes of each cell, as many as are removed from it."""
    models = len(ballot.models)
    cells = (ballot.winner * models + ballot.a) * models + ballot.b
    place = pd.Series(cells).groupby(cells).cumcount().to_numpy()
    return np.flatnonzero(place < removed[cells])


def _relative(votes: pd.DataFrame) -> tuple[Ballot, np.ndarray]:
    """The votes that say which clip is better, and their positions in the table."""
    ballot = read_votes(votes)
    says_more = ballot.winner != BOTH_BAD
    relative = ballot.only(says_more)
    if ballot.models:
        check_connected(relative)
    return relative, np.flatnonzero(says_more)


def _leader(ballot: Ballot, parameters: np.ndarray) -> Any:
    return ballot.models[int(np.argmax(parameters[: len(ballot.models)]))]


def _stacked(counts: Counts) -> np.ndarray:
    """Counts by outcome, shape (3, models, models)."""
    return np.stack([counts.a_wins, counts.b_wins, counts.ties])
