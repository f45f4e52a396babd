"""Means of values that share prompts and annotators, with an interval that holds for new ones of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import stdtrit

from stepbench.stats.checks import cluster_codes, finite_vector, fraction
from stepbench.stats.intervals import Estimate
from stepbench.stats.two_way import two_way_covariance


def two_way_mean(values: Any, prompts: Any, annotators: Any, *, level: float = 0.95) -> Estimate:
    """Mean over judgements with a t interval clustered by prompt and annotator (`two_way_covariance`).

    Args:
        values: One finite value per judgement, shape (n,).
        prompts: Whose clip was judged, shape (n,).
        annotators: Who judged, shape (n,).
        level: Coverage, between 0 and 1.

    Returns:
        `n` counts judgements and `n_clusters` prompts. With a single prompt there is no interval; where all values are
        equal it has no width. Without values everything is NaN.

    Raises:
        StatisticsError: For NaN, unequal lengths, a missing label or an impossible level.
    """
    fraction("level", level)
    array = finite_vector("values", values)
    prompt_codes, n_prompts = cluster_codes("prompts", prompts, array.size)
    annotator_codes, n_annotators = cluster_codes("annotators", annotators, array.size)
    mean = float(array.mean()) if array.size else float("nan")
    error, low, high = float("nan"), float("nan"), float("nan")
    method = "no interval: fewer than two prompts"
    if n_prompts > 1:
        method = f"t, clustered by {n_prompts} prompts and {n_annotators} annotators"
        variance = float(array.var(ddof=1))
        freedom = float(n_prompts - 1)
        error = 0.0
        if variance > 0:
            scores = sparse.csr_array(((array - mean) / variance)[:, None])
            information = np.array([[array.size / variance]])
            covariance, freedom = two_way_covariance(scores, information, np.eye(1), prompt_codes, annotator_codes)
            error = float(np.sqrt(covariance[0, 0]))
        margin = float(stdtrit(freedom, (1 + level) / 2)) * error
        low, high = mean - margin, mean + margin
    return Estimate(
        estimate=mean, low=low, high=high, n=array.size, n_clusters=n_prompts, standard_error=error, method=method
    )


def two_way_share(hits: Any, prompts: Any, annotators: Any, *, level: float = 0.95) -> Estimate:
    """`two_way_mean` of a yes or no per judgement, within 0 to 1.

    Where all judgements are the same, the far end of the interval is exact for as many independent answers as there are
    prompts (Clopper and Pearson 1934): ten prompts without a complaint do not prove that there will never be one.
    """
    array = np.asarray(hits, dtype=float)
    found = two_way_mean(array, prompts, annotators, level=level)
    if found.n_clusters < 2:
        return found
    low, high = max(found.low, 0.0), min(found.high, 1.0)
    if found.standard_error == 0:
        bound = ((1 - level) / 2) ** (1 / found.n_clusters)
        low, high = (bound, 1.0) if found.estimate == 1 else (0.0, 1 - bound)
        return replace(found, low=low, high=high, method=f"exact, {found.n_clusters} prompts")
    return replace(found, low=low, high=high)
