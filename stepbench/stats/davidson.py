"""The Bradley-Terry model with ties (Davidson 1970), a side effect and weak priors, fitted by Newton steps.

With x = rating_i - rating_j + side for models i (shown as A) and j (shown as B):

    P(A wins) : P(B wins) : P(tie) = exp(x / 2) : exp(-x / 2) : exp(tie)

so that without ties P(A wins) is the logistic function of x. The log posterior is concave; its maximum is unique.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stepbench.errors import StepbenchError

RATING_SD = 3.0
"""Prior on each rating, in log-odds: odds of 20 to 1 are one standard deviation. It keeps separable data finite."""

SIDE_SD = 0.3
"""Prior on the side effect: tight, because with sides that were never swapped it cannot be told from strength."""

TIE_SD = 3.0
"""Prior on the log tie parameter."""

MAX_STEP = 2.0
MAX_ITERATIONS = 200
TOLERANCE = 1e-7


@dataclass(frozen=True)
class Counts:
    """Votes by ordered pair, each of shape (..., models, models): row shown as A, column as B."""

    a_wins: np.ndarray
    b_wins: np.ndarray
    ties: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """All votes of each ordered pair."""
        return self.a_wins + self.b_wins + self.ties


def fit(counts: Counts, start: np.ndarray | None = None) -> np.ndarray:
    """Parameters at the maximum of the posterior: ratings (sum 0), side, log tie; shape (..., models + 2).

    Leading dimensions are independent fits. The log tie parameter stays 0 and unused where nothing tied.

    Args:
        counts: What was voted.
        start: Where to start, broadcast to the result; zeros when None.

    Raises:
        StepbenchError: When the Newton steps do not settle, which no finite counts should bring about.
    """
    votes = counts.total
    models = votes.shape[-1]
    parameters = np.zeros((*votes.shape[:-2], models + 2))
    parameters += 0.0 if start is None else start
    tied = np.asarray(counts.ties.any(axis=(-2, -1)))
    parameters[..., -1] *= tied
    for _ in range(MAX_ITERATIONS):
        gradient, information = _derivatives(parameters, counts, votes, tied)
        step = np.linalg.solve(information, gradient[..., None])[..., 0]
        largest = np.abs(step).max(axis=-1, keepdims=True)
        parameters += step * np.minimum(1.0, MAX_STEP / np.maximum(largest, MAX_STEP))
        if largest.max() < TOLERANCE:
            return parameters
    raise StepbenchError(f"the ratings did not settle in {MAX_ITERATIONS} Newton steps (last step {largest.max():.1e})")


def information(parameters: np.ndarray, counts: Counts) -> np.ndarray:
    """Negative Hessian of the log posterior, shape (..., models + 2, models + 2)."""
    return _derivatives(parameters, counts, counts.total, np.asarray(counts.ties.any(axis=(-2, -1))))[1]


def vote_scores(
    parameters: np.ndarray, a: np.ndarray, b: np.ndarray, winner: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of each vote's log likelihood by x and by the log tie parameter, both of shape (votes,).

    Args:
        parameters: One fit, shape (models + 2,).
        a: Index of the model shown as A, shape (votes,).
        b: Index of the model shown as B, shape (votes,).
        winner: 0 for A, 1 for B, 2 for a tie, shape (votes,).
    """
    up = np.exp((parameters[a] - parameters[b] + parameters[-2]) / 2)
    level = np.exp(parameters[-1]) * (winner == 2).any()
    total = up + 1 / up + level
    observed = np.array([0.5, -0.5, 0.0])[winner]
    return observed - (up - 1 / up) / total / 2, (winner == 2) - level / total


def _derivatives(
    parameters: np.ndarray, counts: Counts, votes: np.ndarray, tied: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (..., p) and negative Hessian (..., p, p) of the log posterior."""
    models = votes.shape[-1]
    ratings, side, tie = parameters[..., :models], parameters[..., models, None, None], parameters[..., -1, None, None]
    up = np.exp((ratings[..., :, None] - ratings[..., None, :] + side) / 2)
    level = np.exp(tie) * tied[..., None, None]
    total = up + 1 / up + level
    lean = (up - 1 / up) / total / 2  # half of P(A wins) - P(B wins)
    p_tie = level / total

    residual = (counts.a_wins - counts.b_wins) / 2 - votes * lean
    gradient = np.empty_like(parameters)
    gradient[..., :models] = residual.sum(axis=-1) - residual.sum(axis=-2)
    gradient[..., models] = residual.sum(axis=(-2, -1))
    gradient[..., -1] = (counts.ties - votes * p_tie).sum(axis=(-2, -1))
    precision = np.concatenate([np.full(models, RATING_SD**-2.0), [SIDE_SD**-2.0, TIE_SD**-2.0]])
    gradient -= precision * parameters

    of_x = votes * ((1 - p_tie) / 4 - lean**2)
    of_both = -votes * p_tie * lean
    information = np.zeros((*parameters.shape, models + 2))
    information[..., :models, :models] = -(of_x + np.swapaxes(of_x, -1, -2))
    diagonal = np.arange(models)
    information[..., diagonal, diagonal] += of_x.sum(axis=-1) + of_x.sum(axis=-2)
    information[..., :models, models] = of_x.sum(axis=-1) - of_x.sum(axis=-2)
    information[..., :models, -1] = of_both.sum(axis=-1) - of_both.sum(axis=-2)
    information[..., models, models] = of_x.sum(axis=(-2, -1))
    information[..., models, -1] = of_both.sum(axis=(-2, -1))
    information[..., -1, -1] = (votes * p_tie * (1 - p_tie)).sum(axis=(-2, -1))
    information[..., models:, :] = np.swapaxes(information[..., :, models:], -1, -2)
    information[..., -1, models] = information[..., models, -1]
    everything = np.arange(models + 2)
    information[..., everything, everything] += precision
    return gradient, information
