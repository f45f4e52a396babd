"""Agreement between annotators beyond chance: Krippendorff's alpha, Gwet's AC2, and their intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from scipy.special import stdtrit

from stepbench.stats.checks import StatisticsError, cluster_codes, fraction
from stepbench.stats.intervals import Estimate

Level = Literal["nominal", "ordinal", "interval", "ratio"]


def krippendorff_alpha(ratings: Any, level: Level = "ordinal") -> float:
    """Krippendorff's alpha: 1 is perfect agreement, 0 is what chance gives, below 0 is systematic disagreement.

    Source: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability.

    Args:
        ratings: Numbers of shape (annotators, items), NaN where an annotator did not rate. Code categories as numbers.
        level: `nominal` for categories, `ordinal` for ranks such as 1 to 5, `interval`, `ratio` for amounts from zero.

    Returns:
        Alpha; NaN when no item has two ratings or when all ratings are equal, where chance agreement is undefined.

    Raises:
        StatisticsError: For another shape, infinite or non-numeric ratings, an unknown level, or a negative ratio.
    """
    matrix = _matrix(ratings, level)
    values, counts = _counts(matrix, None)
    raters = counts.sum(axis=1)
    paired, raters = counts[raters >= 2], raters[raters >= 2]
    shares = paired / np.maximum(raters - 1, 1)[:, None]
    coincidences = shares.T @ paired - np.diag(shares.sum(axis=0))
    totals = coincidences.sum(axis=1)
    distances = _distances(values, totals, level)
    expected = totals @ distances @ totals
    if expected == 0:
        return float("nan")
    return float(1 - (totals.sum() - 1) * np.sum(coincidences * distances) / expected)


def gwet_ac2(ratings: Any, level: Level = "ordinal", *, categories: Any = None) -> float:
    """Gwet's AC2 (AC1 for `nominal`): stays high where nearly all ratings are equal and alpha collapses.

    Source: Gwet (2014), Handbook of Inter-Rater Reliability, chapters 4 and 5 and the weights of appendix A.

    Args:
        ratings: As in `krippendorff_alpha`.
        level: The weights: identity, ordinal, quadratic or ratio.
        categories: All values of the scale, such as `range(1, 6)`; None takes those that occur.

    Returns:
        The coefficient; NaN when no item has two ratings. With a single category everyone agrees: 1.

    Raises:
        StatisticsError: As `krippendorff_alpha`, and for a rating outside `categories`.
    """
    matrix = _matrix(ratings, level)
    values, counts = _counts(matrix, categories)
    raters = counts.sum(axis=1)
    if not (raters >= 2).any():
        return float("nan")
    if values.size == 1:
        return 1.0
    weights = 1 - _disagreement(values, level)
    paired, size = counts[raters >= 2], raters[raters >= 2]
    agreeing = (paired * (paired @ weights - 1)).sum(axis=1) / (size * (size - 1))
    prevalence = (counts[raters >= 1] / raters[raters >= 1][:, None]).mean(axis=0)
    by_chance = weights.sum() / (values.size * (values.size - 1)) * np.sum(prevalence * (1 - prevalence))
    return float((agreeing.mean() - by_chance) / (1 - by_chance))


def agreement_interval(
    ratings: Any,
    *,
    rng: np.random.Generator | None = None,
    coefficient: Callable[[np.ndarray], float] = krippendorff_alpha,
    clusters: Any = None,
    method: Literal["jackknife", "bootstrap"] = "jackknife",
    draws: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """Interval of an agreement coefficient for new items; the annotators stay as they are.

    The jackknife leaves out one item at a time and takes t quantiles on the scale log(1 - x): 1 - x is the ratio of
    observed to expected disagreement, and its logarithm is nearly normal. It covers where the percentile bootstrap,
    which others report, falls short (docs/statistics.md). Where leaving out one item leaves no disagreement at all the
    scale is x itself, and the upper end at most 1.

    Args:
        ratings: As in `krippendorff_alpha`.
        rng: Source of the resamples of a bootstrap; the jackknife has none.
        coefficient: Called with a matrix of ratings; wrap in `functools.partial` to fix its options.
        clusters: One label per item, such as its prompt: items of one label are left out together. None for items
            that are independent.
        method: `jackknife` or `bootstrap`.
        draws: Number of resamples of a bootstrap.
        level: Coverage of the interval, between 0 and 1.

    Returns:
        An `Estimate`: `n` counts ratings, `n_clusters` items (or clusters) with two ratings or more. There is no
        interval with fewer than two of these, without any disagreement, or where the coefficient is undefined or
        becomes so when one item is left out; `method` says which. Undefined resamples are left out and counted there.

    Raises:
        StatisticsError: As `krippendorff_alpha`, for an impossible level, a wrong number of labels, an unknown method,
            fewer than one draw, or a bootstrap without `rng`.
    """
    fraction("level", level)
    if method not in ("jackknife", "bootstrap"):
        raise StatisticsError(f"method must be 'jackknife' or 'bootstrap', got {method!r}")
    if draws < 1:
        raise StatisticsError(f"draws must be at least 1, got {draws}")
    if method == "bootstrap" and rng is None:
        raise StatisticsError("a bootstrap draws at random and got no rng", hint="rng=numpy.random.default_rng(0)")
    matrix = _matrix(ratings, "nominal")
    codes, _ = cluster_codes("clusters", np.arange(matrix.shape[1]) if clusters is None else clusters, matrix.shape[1])
    groups = np.unique(codes[(~np.isnan(matrix)).sum(axis=0) >= 2])
    k, estimate = groups.size, coefficient(matrix)
    unit = "items" if clusters is None else "clusters of items"
    low = high = standard_error = float("nan")
    if k < 2:
        how = f"no interval: fewer than two {unit} with two ratings"
    elif np.isnan(estimate):
        how = "no interval: the coefficient is undefined without variation"
    elif estimate == 1:
        how = f"no interval: no disagreement on {k} {unit}"
    elif method == "jackknife" or rng is None:
        left_out = np.array([coefficient(matrix[:, codes != group]) for group in groups])
        low, high, standard_error, how = _jackknife_interval(estimate, left_out, level)
        how = f"{how}, jackknife over {k} {unit}" if how.startswith("t") else how
    else:
        columns = [np.flatnonzero(codes == group) for group in groups]
        resamples = (np.concatenate([columns[i] for i in rng.integers(k, size=k)]) for _ in range(draws))
        resampled = np.array([coefficient(matrix[:, drawn]) for drawn in resamples])
        defined = resampled[~np.isnan(resampled)]
        how = f"percentile bootstrap over {k} {unit}, {draws} draws, {draws - defined.size} undefined"
        if defined.size > 1:
            low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
            standard_error = float(defined.std(ddof=1))
    return Estimate(
        estimate=estimate,
        low=float(low),
        high=float(high),
        n=int((~np.isnan(matrix)).sum()),
        n_clusters=k,
        standard_error=standard_error,
        method=how,
    )


def _jackknife_interval(estimate: float, left_out: np.ndarray, level: float) -> tuple[float, float, float, str]:
    """Low, high, standard error, and how they were made or why not."""
    standard_error = _jackknife_error(left_out)
    if np.isnan(left_out).any():
        nan = float("nan")
        return nan, nan, nan, "no interval: without one of the items the coefficient is undefined"
    margins = float(stdtrit(left_out.size - 1, (1 + level) / 2)) * np.array([-1.0, 1.0])
    if (left_out == 1).any():
        low, high = estimate + margins * standard_error
        return low, min(high, 1.0), standard_error, "t interval"
    low, high = 1 - (1 - estimate) * np.exp(-margins * _jackknife_error(np.log(1 - left_out)))
    return low, high, standard_error, "t interval of log(1 - x)"


def _jackknife_error(left_out: np.ndarray) -> float:
    """Standard error from the estimates that leave out one unit each (Efron and Stein 1981)."""
    k = left_out.size
    return float(np.sqrt((k - 1) / k * np.sum((left_out - left_out.mean()) ** 2)))


def _matrix(ratings: Any, level: str) -> np.ndarray:
    if level not in get_args(Level):
        raise StatisticsError(f"level must be one of {', '.join(get_args(Level))}, got {level!r}")
    try:
        matrix = np.asarray(ratings, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StatisticsError(f"ratings must be numbers: {error}", hint="code categories as 0, 1, 2 ...") from None
    if matrix.ndim != 2:
        raise StatisticsError(f"ratings must have shape (annotators, items), got {matrix.shape}")
    if np.isinf(matrix).any():
        raise StatisticsError("ratings must be finite or NaN, got an infinite one")
    if level == "ratio" and (matrix < 0).any():
        raise StatisticsError(f"a ratio scale starts at zero, got {np.nanmin(matrix)}", hint="use level='interval'")
    return matrix


def _counts(matrix: np.ndarray, categories: Any) -> tuple[np.ndarray, np.ndarray]:
    """The values of the scale, shape (v,), and how often each was given to each item, shape (items, v)."""
    given = np.unique(matrix[~np.isnan(matrix)])
    values = given if categories is None else np.unique(np.asarray(list(categories), dtype=np.float64))
    outside = np.setdiff1d(given, values)
    if outside.size:
        raise StatisticsError(f"rating {outside[0]} is not one of the categories {values.tolist()}")
    annotator, item = np.nonzero(~np.isnan(matrix))
    codes = np.searchsorted(values, matrix[annotator, item])
    counts = np.zeros((matrix.shape[1], values.size))
    np.add.at(counts, (item, codes), 1)
    return values, counts


def _distances(values: np.ndarray, totals: np.ndarray, level: Level) -> np.ndarray:
    """Krippendorff's squared differences, shape (v, v); the ordinal one depends on how often each value occurs."""
    if level == "ordinal":
        ranks = np.cumsum(totals) - totals / 2
        return (ranks[:, None] - ranks[None, :]) ** 2
    return _squared_difference(values, level)


def _disagreement(values: np.ndarray, level: Level) -> np.ndarray:
    """One minus Gwet's agreement weights, shape (v, v), scaled to 1 for the most distant values."""
    if level == "ordinal":
        steps = np.abs(np.subtract.outer(np.arange(values.size), np.arange(values.size)))
        distances = steps * (steps + 1) / 2.0
    else:
        distances = _squared_difference(values, level)
    return distances / distances.max()


def _squared_difference(values: np.ndarray, level: Level) -> np.ndarray:
    difference = values[:, None] - values[None, :]
    if level == "nominal":
        return (difference != 0).astype(float)
    if level == "interval":
        return difference**2
    total = values[:, None] + values[None, :]
    return np.divide(difference, total, out=np.zeros_like(difference), where=total != 0) ** 2
