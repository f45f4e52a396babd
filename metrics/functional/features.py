"""What features must look like before any algebra touches them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from metrics.errors import FeatureError


def checked_features(features: Any, name: str) -> Float64[np.ndarray, "n d"]:
    """Features of one set as a float64 array, one row per clip.

    Non-finite values are refused here because linear algebra answers them late, with a hang or with another NaN.

    Raises:
        FeatureError: No real numbers, not two axes, fewer than two rows, no column, or a row with NaN or infinity.
    """
    rows = float64_array(features)
    if rows.ndim != 2:
        raise FeatureError(f"{name} must have two axes (clips, dimensions), got shape {rows.shape}")
    if len(rows) < 2:
        raise FeatureError(f"{name} must describe at least 2 clips to have a spread, got {len(rows)}")
    if rows.shape[1] == 0:
        raise FeatureError(f"{name} has no dimension, got shape {rows.shape}")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise FeatureError(
            f"{name} must be finite, got NaN or infinity in {len(bad)} of {len(rows)} rows, the first is row {bad[0]}",
            hint="find out what the backbone was fed for that clip",
        )
    return rows


def check_same_dimensions(first: int, second: int) -> None:
    """Refuse two sets from spaces of different dimension.

    Raises:
        FeatureError: Naming both.
    """
    if first != second:
        raise FeatureError(f"both sets must have the same number of dimensions, got {first} and {second}")


def float64_array(values: Any) -> np.ndarray:
    """A float64 array on the CPU from a tensor, an array or nested lists of real numbers.

    Raises:
        FeatureError: Anything else, such as complex numbers, texts or rows of unequal length.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = values.double() if values.dtype == torch.bfloat16 else values  # which numpy does not know
    try:
        array = np.asarray(values)
        if np.iscomplexobj(array):
            raise TypeError("complex numbers have no place in it")
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise FeatureError(
            f"features must be an array of real numbers, got {type(values).__name__}: {error}",
            hint="a tensor, an array or nested lists of shape (clips, dimensions) is wanted",
        ) from error


def check_overflow(value: float) -> None:
    """Refuse a distance that is no finite number although the features were.

    Raises:
        FeatureError: Naming it.
    """
    if not np.isfinite(value):
        raise FeatureError(
            f"the features are so large that float64 does not hold their distance: it comes to {value}",
            hint="scale both sets by one factor",
        )
