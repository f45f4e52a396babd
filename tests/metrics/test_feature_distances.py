"""Fréchet and kernel distance against closed forms, scipy's matrix square root and plain loops."""

from __future__ import annotations

import itertools

import clips
import numpy as np
import pytest
import scipy.linalg
import torch

from metrics.errors import FeatureError, MetricError
from metrics.functional import frechet_distance, frechet_distance_from_statistics, kernel_distance

SIZES = [(200, 200, 8), (12, 9, 40), (40, 6, 20), (3, 300, 30)]


def features(rows: int, dimensions: int, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    random = clips.rng(seed)
    scales = np.arange(1, dimensions + 1) ** -0.75
    return (
        random.standard_normal((rows, dimensions)) * scales @ random.standard_normal((dimensions, dimensions)) + shift
    )


def by_matrix_root(x: np.ndarray, y: np.ndarray) -> float:
    """The textbook formula. The root of a singular product is good to about 1e-7 only."""
    sigma_x, sigma_y = np.cov(x.T), np.cov(y.T)
    root = np.asarray(scipy.linalg.sqrtm(sigma_x @ sigma_y)).real
    return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(sigma_x + sigma_y - 2 * root))


def test_frechet_distance_equals_the_textbook_formula():
    x, y = features(200, 8), features(150, 8, seed=1, shift=0.5)
    assert float(frechet_distance(x, y)) == pytest.approx(by_matrix_root(x, y), rel=1e-9)


def test_frechet_distance_equals_the_textbook_formula_with_fewer_clips_than_dimensions():
    x, y = features(12, 40), features(9, 40, seed=1, shift=0.5)
    assert float(frechet_distance(x, y)) == pytest.approx(by_matrix_root(x, y), rel=1e-4)


def test_frechet_distance_of_commuting_gaussians():
    # Diagonal covariances a and b: sum (sqrt(a) - sqrt(b))^2 beside the squared distance of the means.
    a, b = np.array([4.0, 9.0, 0.0]), np.array([1.0, 16.0, 25.0])
    value = frechet_distance_from_statistics([0, 0, 0], np.diag(a), [3, 0, 4], np.diag(b))
    assert float(value) == pytest.approx(25 + 1 + 1 + 25, rel=1e-14)


def test_frechet_distance_of_two_clips_each():
    # One dimension: means 1 and 5, variances 2 and 8: (1 - 5)^2 + (sqrt 2 - sqrt 8)^2 = 16 + 2.
    assert float(frechet_distance([[0.0], [2.0]], [[3.0], [7.0]])) == pytest.approx(18, rel=1e-14)


@pytest.mark.parametrize(("n", "m", "d"), SIZES)
def test_features_and_their_statistics_agree(n: int, m: int, d: int):
    x, y = features(n, d), features(m, d, seed=1, shift=0.3)
    from_statistics = frechet_distance_from_statistics(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    assert float(frechet_distance(x, y)) == pytest.approx(float(from_statistics), rel=1e-9)


@pytest.mark.parametrize(("n", "m", "d"), SIZES)
def test_distances_of_a_set_to_itself_and_symmetry(n: int, m: int, d: int):
    x, y = features(n, d), features(m, d, seed=1)
    assert 0 <= float(frechet_distance(x, x)) <= 1e-9
    assert 0 <= float(frechet_distance(x, x[::-1].copy())) <= 1e-9
    for distance in (frechet_distance, kernel_distance):
        assert float(distance(x, y)) == pytest.approx(float(distance(y, x)), rel=1e-10)


def test_frechet_distance_follows_the_geometry_of_gaussians():
    x, y = features(50, 12), features(60, 12, seed=1)
    before = float(frechet_distance(x, y))
    rotation = np.linalg.qr(clips.rng(2).standard_normal((12, 12)))[0]
    step = clips.rng(3).standard_normal(12)
    assert float(frechet_distance(x @ rotation, y @ rotation)) == pytest.approx(before, rel=1e-9)
    assert float(frechet_distance(x + step, y + step)) == pytest.approx(before, rel=1e-9)
    assert float(frechet_distance(3 * x, 3 * y)) == pytest.approx(9 * before, rel=1e-9)
    assert float(frechet_distance(x, x + step)) == pytest.approx(float(step @ step), rel=1e-9)


def test_large_means_cost_no_digits():
    spread = 0.01 * features(40, 6)
    moved = spread + np.array([0.02, 0, 0, 0, 0, 0])
    assert float(frechet_distance(spread + 1000, moved + 1000)) == pytest.approx(0.0004, rel=1e-6)


def test_frechet_distance_shrinks_with_sample_size_and_kernel_distance_is_centred_on_zero():
    def same(n: int) -> tuple[float, float]:
        random = clips.rng(n)
        pairs = [(random.standard_normal((n, 16)), random.standard_normal((n, 16))) for _ in range(20)]
        kernels = [float(kernel_distance(x, y)) for x, y in pairs]
        assert min(kernels) < 0 < max(kernels), "unbiased estimates of 0 take both signs"
        assert abs(np.mean(kernels)) < 3 * np.std(kernels, ddof=1) / np.sqrt(len(kernels))
        return float(np.mean([float(frechet_distance(x, y)) for x, y in pairs])), float(np.std(kernels))

    (few, _), (more, _), (many, _) = same(16), same(64), same(256)
    assert few > 2 * more > 4 * many > 0


def test_kernel_distance_equals_plain_loops():
    x, y = features(7, 5), features(5, 5, seed=1, shift=0.4)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (sum(a[i] * b[i] for i in range(5)) / 5 + 1) ** 3

    within_x = np.mean([k(a, b) for a, b in itertools.permutations(x, 2)])
    within_y = np.mean([k(a, b) for a, b in itertools.permutations(y, 2)])
    between = np.mean([k(a, b) for a, b in itertools.product(x, y)])
    assert float(kernel_distance(x, y)) == pytest.approx(within_x + within_y - 2 * between, rel=1e-10)


def test_kernel_distance_in_blocks_equals_kernel_distance_at_once(monkeypatch: pytest.MonkeyPatch):
    x, y = features(50, 4), features(33, 4, seed=1)
    at_once = float(kernel_distance(x, y))
    monkeypatch.setattr("metrics.functional.kernel._ROWS_AT_ONCE", 7)
    assert float(kernel_distance(x, y)) == pytest.approx(at_once, rel=1e-9)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_distances_take_tensors_and_return_float64_scalars(distance):
    x, y = torch.from_numpy(features(20, 4)).float().requires_grad_(), torch.from_numpy(features(20, 4, seed=1)).float()
    value = distance(x, y)
    assert (value.dtype, value.shape) == (torch.float64, ())
    assert float(value) == pytest.approx(float(distance(x.detach().numpy(), y.numpy())), rel=1e-12)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_bad_features_are_refused_before_any_algebra(distance):
    good = features(450, 400)
    bad = good.copy()
    bad[17, 3] = np.nan
    bad[30, 0] = np.inf
    with pytest.raises(
        FeatureError, match="y must be finite, got NaN or infinity in 2 of 450 rows, the first is row 17"
    ):
        distance(good, bad)
    with pytest.raises(FeatureError, match="x must describe at least 2 clips to have a spread, got 1"):
        distance(good[:1], good)
    with pytest.raises(FeatureError, match=r"y must have two axes \(clips, dimensions\), got shape \(400,\)"):
        distance(good, good[0])
    with pytest.raises(FeatureError, match=r"x has no dimension, got shape \(5, 0\)"):
        distance(np.zeros((5, 0)), good)
    with pytest.raises(FeatureError, match="same number of dimensions, got 400 and 399"):
        distance(good, good[:, 1:])


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_what_is_no_real_number_is_refused_and_what_overflows_has_no_value(distance):
    good = features(20, 4)
    for bad, message in (
        (good + 1j, "got ndarray: complex numbers"),
        (torch.tensor(good) + 1j, "got Tensor: complex numbers"),
        ([["a", "b"]] * 3, "got list: could not convert string"),
        ([[1.0, 2.0], [3.0]], "got list: setting an array element"),
    ):
        with pytest.raises(FeatureError, match=f"features must be an array of real numbers, {message}"):
            distance(bad, good)
    for scale in (1e200, 1e308):
        with pytest.raises(FeatureError, match="so large that float64 does not hold their distance: it comes to"):
            distance(good / np.abs(good).max() * scale, good)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64, torch.uint8, torch.bool])
def test_distances_are_taken_in_float64_whatever_the_features_come_in(distance, dtype: torch.dtype):
    x, y = ((30 * torch.from_numpy(features(20, 4, seed=seed))).abs().to(dtype) for seed in (0, 1))
    assert float(distance(x, y)) == float(distance(x.double(), y.double()))


@pytest.mark.parametrize("ddof", [2, -1, 0.5, True, None])
def test_other_divisors_are_refused(ddof):
    with pytest.raises(MetricError, match=f"ddof must be 1 .*, got {ddof!r}"):
        frechet_distance(features(5, 3), features(5, 3), ddof=ddof)


@pytest.mark.parametrize(
    ("mu", "sigma", "message"),
    [
        ([0.0, 0.0], np.eye(3), r"mu_2 must have shape \(d,\) and sigma_2 \(d, d\), got \(2,\) and \(3, 3\)"),
        ([0.0, np.nan], np.eye(2), "mu_2 and sigma_2 must be finite"),
        ([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]], "sigma_2 must be symmetric"),
        ([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], "sigma_2 must be positive semi-definite, got an eigenvalue of -1"),
        ([0.0], [[1.0]], "same number of dimensions, got 2 and 1"),
    ],
)
def test_bad_statistics_are_refused(mu, sigma, message: str):
    with pytest.raises(FeatureError, match=message):
        frechet_distance_from_statistics([0.0, 0.0], np.eye(2), mu, sigma)
