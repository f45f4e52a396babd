"""Corrections for looking at many p values at once.

A NaN stands for a test that could not be made: it stays NaN and **still counts** in the size of the family, so that a
metric which failed never makes the others look more certain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stepbench.stats.checks import StatisticsError, vector


def holm(p: Any) -> np.ndarray:
    """Adjusted p values that keep the chance of any false alarm in the family below alpha. Source: Holm (1979).

    Args:
        p: p values in [0, 1], NaN for a test that could not be made; shape (m,).

    Returns:
        Adjusted values in the same order, shape (m,), NaN where `p` is NaN.

    Raises:
        StatisticsError: For a value outside [0, 1] or a wrong shape.
    """
    array, order = _ordered(p)
    stepped = np.maximum.accumulate(array[order] * np.arange(array.size, 0, -1))
    return _restored(array, order, stepped)


def benjamini_hochberg(p: Any) -> np.ndarray:
    """Adjusted p values that keep the expected share of false alarms among alarms below alpha.

    For exploring many categories, not for a gate. Arguments and errors as in `holm`. Source: Benjamini and Hochberg
    (1995).
    """
    array, order = _ordered(p)
    scaled = array[order] * array.size / np.arange(1, array.size + 1)
    # NaN sits at the end of the order; taken as 1 it cannot lower the running minimum of the others.
    stepped = np.minimum.accumulate(np.where(np.isnan(scaled), 1.0, scaled)[::-1])[::-1]
    return _restored(array, order, stepped)


def _ordered(p: Any) -> tuple[np.ndarray, np.ndarray]:
    array = vector("p", p)
    bad = np.flatnonzero((array < 0) | (array > 1))
    if bad.size:
        raise StatisticsError(f"a p value lies between 0 and 1, got {array[bad[0]]} at index {bad[0]}")
    return array, np.argsort(array, kind="stable")


def _restored(array: np.ndarray, order: np.ndarray, stepped: np.ndarray) -> np.ndarray:
    adjusted = np.empty_like(array)
    adjusted[order] = np.minimum(stepped, 1.0)
    return np.where(np.isnan(array), np.nan, adjusted)
