"""Mean and covariance of a reference set as others publish them: `.npz` files with `mu` and `sigma`."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from metrics.errors import FeatureError
from metrics.functional.statistics import FeatureStatistics


class PublishedStatistics(NamedTuple):
    """A Gaussian that stands for a set of clips or frames; how many there were is not in the file."""

    mu: Float64[np.ndarray, " d"]
    sigma: Float64[np.ndarray, "d d"]


def read_statistics(path: str | Path) -> PublishedStatistics:
    """The statistics in a file; nothing in it is unpickled.

    Raises:
        FeatureError: No such file, no `.npz`, an array that would have to be unpickled, or `mu` and `sigma` missing.
    """
    try:
        # numpy only maps an array when it is asked for, so a pickled one is met inside the block.
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: np.asarray(arrays[name], dtype=np.float64) for name in ("mu", "sigma") if name in arrays}
            names = list(arrays)
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise FeatureError(
            f"{path} cannot be read as statistics: {error}",
            hint="an .npz file with the arrays mu (d,) and sigma (d, d) is wanted",
        ) from error
    if len(found) < 2:
        raise FeatureError(
            f"{path} must hold mu and sigma, it holds {', '.join(names) or 'nothing'}",
            hint="pytorch-fid --save-stats writes such files, and so does write_statistics",
        )
    return PublishedStatistics(**found)


def write_statistics(path: str | Path, statistics: FeatureStatistics) -> None:
    """Write statistics so that `read_statistics` and pytorch-fid can read them. The name should end in `.npz`.

    Raises:
        FeatureError: Fewer than two clips.
    """
    np.savez_compressed(path, mu=statistics.mean, sigma=statistics.covariance)
