"""Which runs no other beats in both cost and quality. Pure."""

from __future__ import annotations

import numpy as np


def pareto_front(cost: np.ndarray, quality: np.ndarray, *, higher: bool) -> np.ndarray:
    """Which points no other point beats in one of the two without losing in the other; bool, shape (n,)."""
    value = -quality if higher else quality
    order = np.lexsort((value, cost))
    front = np.zeros(len(cost), dtype=bool)
    best = np.inf
    for place, index in enumerate(order):
        equal = place > 0 and cost[order[place - 1]] == cost[index] and value[order[place - 1]] == value[index]
        front[index] = value[index] < best or (equal and front[order[place - 1]])
        best = min(best, value[index])
    return front
