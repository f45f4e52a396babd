"""A weighted mean over metrics with weights of the reader's choice, with its interval. No Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from stepbench.board.covariances import unpacked


def weighted_score(
    frame: pd.DataFrame,
    cards: Mapping[str, Mapping[str, Any]],
    weights: Mapping[str, float],
    covariances: pd.DataFrame,
    metric_ids: Sequence[str],
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """The weighted mean of each run over metrics brought to one scale: 0 is the table's worst mean, 1 its best.

    A run that lacks one of the metrics has no score: a missing number is not zero. The interval is a t interval over
    prompts; it takes into account that the metrics of a prompt go together, and takes the two ends of each scale as
    given. Where all runs have the same mean a metric tells nothing and counts one half for each.

    Args:
        frame: All runs of the table in this cut, as `BoardData.summary` gives them.
        cards: metric_id -> card.
        weights: metric_id -> weight, above 0, of metrics that have a better direction.
        covariances: As `Board.covariances` for this cut.
        metric_ids: Order of the packed covariances.
        level: Coverage of the interval.

    Returns:
        One row per run, best first: run, label, mean, low, high, n_units, missing (titles of metrics it lacks).
    """
    used = list(weights)
    share = np.array([weights[key] for key in used]) / sum(weights.values())
    rows = frame[frame.metric_id.isin(used)]
    means, units = (
        rows.pivot(index="run", columns="metric_id", values=name).reindex(columns=used) for name in ("mean", "n_units")
    )
    labels = frame.drop_duplicates("run").set_index("run").label
    means, units = means.reindex(labels.index), units.reindex(labels.index)
    low, span = means.min(), means.max() - means.min()
    sign = np.array([1.0 if cards[key]["direction"] == "higher" else -1.0 for key in used])
    scale = np.where(span > 0, sign / span.where(span > 0, 1.0), 0.0)
    start = np.where(sign > 0, low, means.max())
    scaled = np.where(span > 0, (means.to_numpy() - start) * scale, 0.5)
    scaled[means.isna().to_numpy()] = np.nan
    mean = scaled @ share
    error = _errors(covariances, labels.index, [metric_ids.index(key) for key in used], share * scale, len(metric_ids))
    n = units.min(axis=1).to_numpy(dtype=float)
    margin = np.where(n > 1, stdtrit(np.maximum(n - 1, 1), (1 + level) / 2) * error, np.nan)
    titles = np.array([cards[key]["title"] for key in used], dtype=object)
    missing = [", ".join(titles[lacks]) for lacks in means.isna().to_numpy()]
    found = pd.DataFrame(
        {
            "run": labels.index,
            "label": labels.to_numpy(),
            "mean": mean,
            "low": mean - margin,
            "high": mean + margin,
            "n_units": n,
            "missing": missing,
        }
    )
    return found.sort_values("mean", ascending=False, kind="stable", na_position="last", ignore_index=True)


def read_weights(texts: Sequence[str], known: Sequence[str]) -> dict[str, float]:
    """Weights as they stand in an address, `2:flicker@1:native`; what cannot be used is left out."""
    weights: dict[str, float] = {}
    for text in texts:
        number, _, metric_id = text.partition(":")
        try:
            weight = float(number)
        except ValueError:
            continue
        if metric_id in known and 0 < weight <= 100:
            weights[metric_id] = weight
    return weights


def write_weights(weights: Mapping[str, float]) -> list[str]:
    """The reverse of `read_weights`."""
    return [f"{weight:g}:{metric_id}" for metric_id, weight in weights.items() if weight > 0]


def _errors(
    covariances: pd.DataFrame, runs: pd.Index, places: Sequence[int], factors: np.ndarray, size: int
) -> np.ndarray:
    """Standard error of the weighted mean of each run."""
    if covariances.empty:
        return np.full(len(runs), np.nan)
    matrices = unpacked(np.stack(covariances.covariance.to_list()), size)[:, places][:, :, places]
    variance = pd.Series(np.einsum("i,rij,j->r", factors, matrices, factors), index=covariances.run.to_numpy())
    return np.sqrt(np.maximum(variance.reindex(runs).to_numpy(dtype=float), 0.0))
