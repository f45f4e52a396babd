"""What statistics refuse: missing values, wrong shapes, impossible levels. Bad input is never repaired in silence."""

from __future__ import annotations

from typing import Any

import numpy as np

from stepbench.errors import UsageError


class StatisticsError(UsageError, ValueError):
    """Input that no statistic can be computed from. Also a `ValueError`, for callers who use the functions alone."""


def vector(name: str, values: Any) -> np.ndarray:
    """`values` as float64 of shape (n,); raises `StatisticsError` for another shape or for what is no number."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StatisticsError(f"{name} must be numbers: {error}") from None
    if array.ndim != 1:
        raise StatisticsError(f"{name} must be one-dimensional, got shape {array.shape}")
    return array


def finite_vector(name: str, values: Any) -> np.ndarray:
    """As `vector`; raises `StatisticsError` for NaN and infinity too."""
    array = vector(name, values)
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise StatisticsError(
            f"{name} must be finite, but {bad.size} of {array.size} values are not "
            f"(first: index {bad[0]}, {array[bad[0]]})",
            hint="drop the failed samples first, and show how many were dropped",
        )
    return array


def fraction(name: str, value: float) -> float:
    """`value` if it lies strictly between 0 and 1; raises `StatisticsError` otherwise."""
    if not 0 < value < 1:
        raise StatisticsError(f"{name} must lie between 0 and 1, got {value}", hint="write 0.95 for 95 %")
    return float(value)


def cluster_codes(name: str, labels: Any, n: int) -> tuple[np.ndarray, int]:
    """Integer code of each label, shape (n,), and the number of clusters; refuses a missing label."""
    array = np.asarray(labels)
    if array.shape != (n,):
        raise StatisticsError(f"{name} must give one label per value: {n} values, labels of shape {array.shape}")
    order: dict[Any, int] = {}
    codes = np.empty(n, dtype=np.int64)
    for index, label in enumerate(array.tolist()):
        if label is None or label != label:
            raise StatisticsError(f"{name} has no label at index {index}", hint="every value needs its prompt")
        codes[index] = order.setdefault(label, len(order))
    return codes, len(order)
