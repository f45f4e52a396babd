"""Uncertainty of fitted parameters when votes share prompts and annotators: a two-way cluster bootstrap of the scores.

Each prompt and each annotator pulls all of its votes the same way, so neither votes nor prompts alone are independent.
The bootstrap perturbs the fit with one random multiplier per prompt and one per annotator (Kline and Santos 2012).
With normal multipliers its draws have a known covariance, which is computed here and drawn from directly:

    covariance = single votes + excess of cells + excess of prompts + excess of annotators

Single votes have the covariance of the fitted model and cells are the (prompt, annotator) pairs. The excess of prompts
is their cluster-robust covariance minus that of the cells (Cameron, Gelbach and Miller 2011), never below zero, and so
on for the others. Resampling prompts and annotators and multiplying their weights (the pigeonhole bootstrap) counts the
noise of single votes three times: in simulations with few votes per prompt its 95 % intervals covered 99 %.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse


def two_way_covariance(
    scores: sparse.csr_array, information: np.ndarray, keep: np.ndarray, prompts: np.ndarray, annotators: np.ndarray
) -> tuple[np.ndarray, float]:
    """Covariance of linear combinations of the parameters, and the degrees of freedom behind it (Satterthwaite 1946).

    Args:
        scores: Gradient of each vote's log likelihood, shape (votes, parameters).
        information: Negative Hessian of the log posterior, shape (parameters, parameters).
        keep: The combinations wanted, shape (k, parameters).
        prompts: Code of each vote's prompt, shape (votes,).
        annotators: Code of each vote's annotator, shape (votes,).

    Returns:
        Covariance of shape (k, k), and the degrees of freedom for t quantiles.
    """
    influence = np.linalg.solve(information, keep.T).T
    single_votes = influence @ keep.T
    cells = prompts * (int(annotators.max()) + 1) + annotators
    by_cell, n_cells = _clustered(scores, cells, influence)
    by_prompt, n_prompts = _clustered(scores, prompts, influence)
    by_annotator, n_annotators = _clustered(scores, annotators, influence)
    # Each part with the sum of squares that it was read from. Its noise lies between what either would have alone; the
    # product of both keeps simulated coverage within 93 to 97 % with and without favourites (docs/statistics.md).
    parts = [
        (single_votes, single_votes, len(prompts)),
        (_excess(by_prompt, by_cell), by_prompt, n_prompts),
        (_excess(by_annotator, by_cell), by_annotator, n_annotators),
    ]
    if n_cells < len(prompts):  # with one vote per cell there is nothing between votes and cells but noise
        parts.append((_excess(by_cell, single_votes), by_cell, n_cells))
    covariance = np.sum([part for part, _, _ in parts], axis=0)
    noise = sum(np.trace(part) * np.trace(read) / max(clusters - 1, 1) for part, read, clusters in parts)
    return covariance, float(np.trace(covariance) ** 2 / noise)


def draw(covariance: np.ndarray, freedom: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """Joint deviations from the estimate: multivariate t with `freedom` degrees of freedom, shape (size, k)."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    deviations = rng.standard_normal((size, values.size)) @ root.T
    return deviations * np.sqrt(freedom / rng.chisquare(freedom, size))[:, None]


def _clustered(scores: sparse.csr_array, codes: np.ndarray, influence: np.ndarray) -> tuple[np.ndarray, int]:
    """Cluster-robust covariance with the G / (G - 1) correction, and G."""
    found, codes = np.unique(codes, return_inverse=True)
    clusters = found.size
    membership = sparse.csr_array((np.ones(codes.size), (codes, np.arange(codes.size))), shape=(clusters, codes.size))
    sums = membership @ scores
    # Multiplied while sparse: a million clusters times a hundred models would not fit otherwise.
    meat = sparse.csr_array(sums.T @ sums).toarray() * clusters / max(clusters - 1, 1)
    return influence @ meat @ influence.T, clusters


def _excess(total: np.ndarray, below: np.ndarray) -> np.ndarray:
    """`total - below` as a covariance matrix: negative eigenvalues go, the trace stays (or is zero if negative)."""
    difference = (total - below + (total - below).T) / 2
    values, vectors = np.linalg.eigh(difference)
    positive = (vectors * np.maximum(values, 0)) @ vectors.T
    # Cutting alone would only ever add variance, and the intervals of independent votes would cover too much.
    return positive * max(np.trace(difference), 0.0) / max(np.trace(positive), np.finfo(float).tiny)
