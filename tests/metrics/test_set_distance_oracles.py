"""Distances between sets against arithmetic of fifty digits and the libraries that people know the numbers from."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from torch import Tensor, nn
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance
from toy_backbones import FrameLevels, Levels, noise

from metrics.errors import FeatureError
from metrics.fid import FID
from metrics.functional import frechet_distance, kernel_distance
from metrics.functional.extrapolation import frechet_distance_infinity
from metrics.functional.statistics import feature_statistics
from metrics.fvd import FVD
from metrics.kvd import KVD
from metrics.set_distance import SetDistance
from metrics.statistics_file import PublishedStatistics

pytestmark = pytest.mark.filterwarnings("ignore::metrics.errors.MetricWarning")

FULL_RANK = [(60, 50, 6), (200, 240, 32)]
SINGULAR = [(8, 6, 12), (20, 30, 48)]


def features(rows: int, dimensions: int, seed: int, power: float = 0.75) -> np.ndarray:
    """Correlated dimensions of falling spread."""
    random = np.random.default_rng([seed, rows, dimensions])
    spread = np.arange(1, dimensions + 1) ** -power
    return random.standard_normal((rows, dimensions)) * spread @ random.standard_normal((dimensions, dimensions)) + seed


def by_fifty_digits(x: np.ndarray, y: np.ndarray) -> float:
    """tr((S_x S_y)^1/2) is the sum of the roots of the eigenvalues of X_c S_y X_c^T / (n - 1), which is symmetric."""
    with mpmath.workdps(50):
        sides = [mpmath.matrix(rows.tolist()) for rows in (x, y)]
        means, centred = [], []
        for side in sides:
            mean = [mpmath.fsum(side[:, column]) / side.rows for column in range(side.cols)]
            means.append(mean)
            centred.append(mpmath.matrix(side.rows, side.cols))
            for row in range(side.rows):
                for column in range(side.cols):
                    centred[-1][row, column] = side[row, column] - mean[column]
        cross = centred[0] * centred[1].T / mpmath.sqrt((sides[0].rows - 1) * (sides[1].rows - 1))
        overlap = mpmath.fsum(mpmath.sqrt(max(value, 0)) for value in mpmath.eigsy(cross * cross.T, eigvals_only=True))
        traces = mpmath.fsum(mpmath.fsum(entry**2 for entry in one) / (one.rows - 1) for one in centred)
        step = mpmath.fsum((a - b) ** 2 for a, b in zip(*means, strict=True))
        return float(step + traces - 2 * overlap)


@pytest.mark.parametrize(("n", "m", "d"), [(20, 16, 5), (6, 7, 11), (9, 5, 14)])
@pytest.mark.parametrize("power", [0.75, 3.0])
def test_frechet_distance_against_fifty_digits(n, m, d, power):
    x, y = features(n, d, 0, power), features(m, d, 1, power)
    assert float(frechet_distance(x, y)) == pytest.approx(by_fifty_digits(x, y), rel=1e-12)


@pytest.mark.filterwarnings("ignore:The `disp` argument is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("sizes", "tolerance"), [(FULL_RANK, 1e-6), (SINGULAR, 1e-4)], ids=["full rank", "singular"])
def test_frechet_distance_against_three_libraries(sizes, tolerance, capsys):
    for n, m, d in sizes:
        x, y = features(n, d, 0), features(m, d, 1)
        ours = float(frechet_distance(x, y))
        moments = [moment for rows in (x, y) for moment in (rows.mean(0), np.cov(rows, rowvar=False))]
        assert ours == pytest.approx(float(calculate_frechet_distance(*moments)), rel=tolerance)
        statistics = [fid_features_to_statistics(torch.from_numpy(rows)) for rows in (x, y)]
        (fidelity,) = fid_statistics_to_metric(*statistics, verbose=False).values()
        assert ours == pytest.approx(fidelity, rel=tolerance)
        theirs = FrechetInceptionDistance(feature=Given(d))
        theirs.update(torch.from_numpy(x), real=False)
        theirs.update(torch.from_numpy(y), real=True)
        assert ours == pytest.approx(float(theirs.compute()), rel=tolerance)


class Given(nn.Module):
    """Hands features through, where a library wants a network."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.num_features = dimensions

    def forward(self, rows: Tensor) -> Tensor:
        return rows


def test_the_metrics_give_the_numbers_of_torchmetrics_on_the_same_network():
    preds, target = noise(30), noise(40, seed=1, top=180)
    fvd, fid = FVD(Levels()), FID(FrameLevels(3), frames=3)
    for metric in (fvd, fid):
        metric.update(preds, target)
    theirs = FrechetInceptionDistance(feature=Given(6)), FrechetInceptionDistance(feature=Given(3))
    for clips, real in ((preds, False), (target, True)):
        theirs[0].update(Levels().features(clips).double(), real=real)
        theirs[1].update(FrameLevels().frame_features(clips[:, :3].flatten(0, 1)).double(), real=real)
    assert float(fvd.compute()) == pytest.approx(float(theirs[0].compute()), rel=1e-6)
    assert float(fid.compute()) == pytest.approx(float(theirs[1].compute()), rel=1e-6)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all extracted features")
def test_kernel_distance_against_torchmetrics():
    # A subset of all clips is every pair of clips, once.
    x, y = features(40, 9, 0), features(40, 9, 1)
    theirs = KernelInceptionDistance(feature=Given(9), subsets=1, subset_size=40)
    theirs.update(torch.from_numpy(x), real=False)
    theirs.update(torch.from_numpy(y), real=True)
    assert float(kernel_distance(x, y)) == pytest.approx(float(theirs.compute()[0]), rel=1e-9)
    metric = KVD(Levels())
    metric.update_features(x[:, :6], y[:, :6])
    exact = kernel_distance(x[:, :6].astype(np.float32), y[:, :6].astype(np.float32))
    assert float(metric.compute()) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize(
    "distance", [SetDistance(of_features=frechet_distance), SetDistance(of_features=kernel_distance)]
)
def test_frames_are_points_and_blocks_are_spaces(distance):
    x, y = features(12, 6, 0), features(9, 6, 1)
    as_points = SetDistance(of_features=distance.of_features, rows_per_clip=2)
    assert as_points(x, y) == distance(x.reshape(24, 3), y.reshape(18, 3))
    in_spaces = SetDistance(of_features=distance.of_features, blocks=3)
    each = [distance(x[:, i : i + 2], y[:, i : i + 2]) for i in (0, 2, 4)]
    assert in_spaces(x, y) == pytest.approx(np.mean(each), rel=1e-12)


def test_a_line_over_the_number_of_clips_comes_closer_to_the_truth():
    # Two Gaussians of the same covariance, a step apart: the distance is the step squared, at any number of clips
    # but for the bias.
    step, d = 2.0, 24
    plain, line, same = [], [], []
    for seed in range(6):
        random = np.random.default_rng(seed)
        x, y, z = random.standard_normal((3, 240, d))
        y[:, 0] += step
        plain.append(float(frechet_distance(x, y)))
        line.append(float(frechet_distance_infinity(x, y, seed=0)))
        same.append(float(frechet_distance_infinity(x, z, seed=0)))
    assert np.mean(plain) > step**2 + 0.5
    assert abs(np.mean(line) - step**2) < (np.mean(plain) - step**2) / 4
    assert abs(np.mean(same)) < 0.15
    assert min(same) < 0, "an extrapolation is not cut off at 0"


def test_the_line_needs_a_seed_and_enough_clips():
    x, y = features(20, 3, 0), features(30, 3, 1)
    first = float(frechet_distance_infinity(x, y, seed=0))
    assert first == float(frechet_distance_infinity(x, y, seed=0)) != float(frechet_distance_infinity(x, y, seed=1))
    with pytest.raises(FeatureError, match=r"(?s)at least 8 on each side, got 7 and 30.*use frechet_distance"):
        frechet_distance_infinity(x[:7], y, seed=0)
    with pytest.raises(FeatureError, match="same number of dimensions, got 3 and 2"):
        frechet_distance_infinity(x, y[:, :2], seed=0)


def test_a_published_gaussian_stands_for_the_reference():
    preds, target = noise(30), noise(40, seed=1, top=180)
    for metric, rows in (
        (FVD(Levels()), Levels().features(target)),
        (FID(FrameLevels(2), frames=2), FrameLevels().frame_features(target[:, :2].flatten(0, 1))),
    ):
        metric.update(preds, target)
        own = feature_statistics(rows)
        against = metric.compute_against(PublishedStatistics(own.mean, own.covariance))
        assert (against.dtype, against.shape) == (torch.float64, ())
        assert float(against) == pytest.approx(float(metric.compute()), rel=1e-9)
