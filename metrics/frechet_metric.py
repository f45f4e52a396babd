"""What Fréchet distances have beyond other metrics of sets: a published Gaussian can stand for the reference."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from metrics.errors import FeatureError, MetricWarning, UndefinedScoreError
from metrics.functional.frechet import check_ddof, frechet_distance, frechet_distance_from_statistics
from metrics.functional.statistics import feature_statistics
from metrics.set_distance import SetDistance
from metrics.set_metric import SetMetric
from metrics.statistics_file import PublishedStatistics

_FORMULA = "|mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^1/2), S with "


def frechet_card_fields(ddof: int) -> dict[str, str]:
    """What a card says of the distance: the formula, and in the policy another divisor than n - 1.

    Raises:
        MetricError: `ddof` is neither 0 nor 1.
    """
    check_ddof(ddof)
    return {"formula": f"{_FORMULA}n - 1" if ddof else f"{_FORMULA}n", "policy": "" if ddof else "ddof0"}


def other_ddof(ddof: int) -> dict[str, int]:
    """The option where it is not the usual one, so that subclasses that know of no choice go on working."""
    return {} if ddof == 1 else {"ddof": ddof}


class FrechetMetric(SetMetric):
    """A Fréchet distance between all features of both sides."""

    @classmethod
    def distance_for(cls, *, ddof: int = 1) -> SetDistance:
        """The Fréchet distance of the rows as they are."""
        return SetDistance(of_features=frechet_distance if ddof == 1 else partial(frechet_distance, ddof=ddof))

    def compute_against(self, statistics: PublishedStatistics) -> Float64[Tensor, ""]:
        """The distance from a reference given by mean and covariance, such as `read_statistics` gives; float64.

        Features of the reference that were added are not used. That the statistics come from the same backbone and
        policy is for the caller to know: such files do not say.

        Raises:
            UndefinedScoreError: There are fewer than two clips.
            FeatureError: The statistics have another number of dimensions, or are no Gaussian.

        Warns:
            MetricWarning: There are few clips, or fewer than the distance needs.
        """
        with self._all_processes():
            rows = self._joined("features").cpu().numpy().astype(np.float64)
        if len(rows) < 2:
            raise UndefinedScoreError(f"{self.card.name} needs at least 2 clips, got {len(rows)}")
        caution = self.distance.caution(len(rows), len(rows), self.width)
        if caution:
            warnings.warn(f"{self.card.name} of {len(rows)} clips: {caution}", MetricWarning, stacklevel=2)
        own = feature_statistics(rows.reshape(len(rows) * self.distance.rows_per_clip, -1))
        if len(own.mean) != len(statistics.mu):
            raise FeatureError(
                f"the statistics have {len(statistics.mu)} dimensions, {self.card.backbone} has {len(own.mean)}"
            )
        covariance = own.scatter / (own.n - self._options.get("ddof", 1))
        value = frechet_distance_from_statistics(own.mean, covariance, statistics.mu, statistics.sigma)
        return torch.as_tensor(value)
