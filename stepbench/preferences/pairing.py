"""Which candidates become pairs: all, a balanced choice, or those that teach most about the ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stepbench.errors import UsageError
from stepbench.preferences.candidates import Candidate

Pairing = Literal["all", "balanced", "active", "seeds"]
LEAST_EXPLORATION = 0.2
"""Share of uniform choice in active pairing: no candidate is ever out of reach, so its chance can be weighed."""


@dataclass(frozen=True)
class Chosen:
    """A candidate, and the chance with which it was chosen when its turn came."""

    candidate: Candidate
    propensity: float = 1.0


def choose_balanced(candidates: Sequence[Candidate], count: int | None, rng: np.random.Generator) -> list[Chosen]:
    """So many candidates: each prompt equally often, then each two models equally often, ties by lot.

    Complete candidates (every two models on every prompt) give counts that differ by at most one.

    Raises:
        UsageError: `count` below 1 or above the number of candidates.
    """
    wanted = _checked(count, len(candidates))
    prompt, prompts = _codes([one.prompt_id for one in candidates])
    couple, couples = _codes([one.couple for one in candidates])
    by_prompt, by_couple = np.zeros(prompts), np.zeros(couples)
    by_both = np.zeros((prompts, couples))
    lot, free = rng.permutation(len(candidates)), np.ones(len(candidates), dtype=bool)
    chosen: list[int] = []
    for _ in range(wanted):
        open_ = np.flatnonzero(free)
        keys = (lot[open_], by_both[prompt, couple][open_], by_couple[couple][open_], by_prompt[prompt][open_])
        index = int(open_[int(np.lexsort(keys)[0])])
        free[index] = False
        by_prompt[prompt[index]] += 1
        by_couple[couple[index]] += 1
        by_both[prompt[index], couple[index]] += 1
        chosen.append(index)
    _even_out(chosen, prompt, couple, couples, lot)
    return [Chosen(candidates[index]) for index in chosen]


def _even_out(chosen: list[int], prompt: np.ndarray, couple: np.ndarray, couples: int, lot: np.ndarray) -> None:
    """Exchange candidates of one prompt, of the commonest couple for the rarest, until couples differ by at most one.

    One after the other cannot see where the last ones will be missing. Complete candidates can always be evened out:
    some prompt has the commoner couple among the chosen more often than the rarer one.
    """
    by_lot = np.argsort(lot)
    while chosen:
        counts = np.bincount(couple[chosen], minlength=couples)
        if counts.max() - counts.min() <= 1:
            return
        taken = np.isin(by_lot, chosen)
        rare = by_lot[~taken & np.isin(couple[by_lot], np.flatnonzero(counts == counts.min()))]
        common = by_lot[taken & (couple[by_lot] == counts.argmax()) & np.isin(prompt[by_lot], prompt[rare])]
        if not common.size:
            return
        other = rare[prompt[rare] == prompt[common[0]]][0]
        chosen[chosen.index(int(common[0]))] = int(other)


def choose_active(
    candidates: Sequence[Candidate],
    count: int | None,
    rng: np.random.Generator,
    *,
    models: Sequence[str],
    covariance: np.ndarray,
    weight: np.ndarray,
    exploration: float = LEAST_EXPLORATION,
) -> list[Chosen]:
    """So many candidates, drawn one after the other with chances that grow with what a vote would teach.

    A vote between i and j lowers the sum of the ratings' variances by `w |S x|^2 / (1 + w x' S x)`, where S is the
    ratings' covariance, x is 1 at i and -1 at j, and w is the information of one such vote (Sherman and Morrison). S is
    brought up to date after each draw, as if the vote had come in.

    Args:
        models: Names, in the order of `covariance`.
        covariance: Of the ratings, from the votes so far and the prior; shape (models, models).
        weight: Information of one vote between two models; shape (models, models).
        exploration: Share of uniform choice, from 0.2 to 1.

    Raises:
        UsageError: `count` or `exploration` out of range.
    """
    wanted = _checked(count, len(candidates))
    if not LEAST_EXPLORATION <= exploration <= 1:
        raise UsageError(
            f"exploration must be from {LEAST_EXPLORATION} to 1, got {exploration}",
            hint="without a share of uniform choice the votes could not be weighed",
        )
    place = {model: index for index, model in enumerate(models)}
    sides = np.array([[place[model] for model in one.couple] for one in candidates])
    free, spread = np.ones(len(candidates), dtype=bool), covariance.copy()
    chosen = []
    for _ in range(wanted):
        open_ = np.flatnonzero(free)
        drop = variance_drop(spread, weight)[sides[open_, 0], sides[open_, 1]]
        guided = drop / drop.sum() if drop.sum() > 0 else np.full(open_.size, 1 / open_.size)
        chances = exploration / open_.size + (1 - exploration) * guided
        drawn = int(rng.choice(open_.size, p=chances / chances.sum()))
        index, (i, j) = open_[drawn], sides[open_[drawn]]
        free[index] = False
        column = spread[:, i] - spread[:, j]
        spread -= weight[i, j] * np.outer(column, column) / (1 + weight[i, j] * (column[i] - column[j]))
        chosen.append(Chosen(candidates[index], min(1.0, float(chances[drawn]))))
    return chosen


def variance_drop(covariance: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """By how much one vote between i and j lowers the sum of variances; shape (models, models)."""
    difference = covariance[:, :, None] - covariance[:, None, :]
    squared = (difference**2).sum(axis=0)
    variance = np.diag(covariance)[:, None] + np.diag(covariance)[None, :] - 2 * covariance
    return weight * squared / (1 + weight * variance)


def _checked(count: int | None, available: int) -> int:
    if count is not None and not 1 <= count <= available:
        raise UsageError(
            f"the number of pairs must be from 1 to {available}, which is all there are, got {count}",
            hint="leave it out to take all",
        )
    return available if count is None else count


def _codes(names: Sequence[object]) -> tuple[np.ndarray, int]:
    order = {name: code for code, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names]), len(order)
