"""Mean and covariance over shards, and in the files that others publish them in."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from pytorch_fid.fid_score import compute_statistics_of_path
from toy_backbones import FrameLevels, Levels, noise

from metrics.errors import FeatureError, MetricWarning, UndefinedScoreError
from metrics.fid import FID
from metrics.functional.statistics import feature_statistics, merge_statistics
from metrics.fvd import FVD
from metrics.statistics_file import PublishedStatistics, read_statistics, write_statistics

SHARDINGS = [(0, 50), (0, 20, 50), (0, 1, 1, 30, 50), (0, 7, 14, 21, 28, 35, 42, 50)]


def rows(mean: float = 10.0, spread: float = 0.01) -> np.ndarray:
    """Features of a large mean and a small spread: sums of squares in single precision lose a quarter of it."""
    return mean + spread * np.random.default_rng(0).standard_normal((50, 6))


@pytest.mark.parametrize("cuts", SHARDINGS, ids=str)
def test_any_sharding_has_the_statistics_of_the_whole(cuts):
    everything = rows()
    shards = [feature_statistics(everything[start:end]) for start, end in itertools.pairwise(cuts)]
    for order in (shards, shards[::-1]):
        merged = merge_statistics(order)
        assert merged.n == 50
        np.testing.assert_allclose(merged.mean, everything.mean(axis=0), rtol=1e-14)
        np.testing.assert_allclose(merged.covariance, np.cov(everything.T), rtol=1e-12, atol=1e-16)


def test_sums_of_squares_would_not_do():
    single = rows().astype(np.float32)
    total = single.sum(axis=0, dtype=np.float32)
    raw = (single.T @ single - np.outer(total, total) / np.float32(50)) / np.float32(49)
    exact = feature_statistics(single).covariance
    assert np.abs(raw - exact).max() > 0.1 * np.abs(exact).max()


def test_what_has_no_statistics_is_refused():
    with pytest.raises(FeatureError, match="a covariance needs at least 2 clips, got 1"):
        feature_statistics(rows()[:1]).covariance  # noqa: B018 - the access is the test
    with pytest.raises(FeatureError, match="NaN or infinity in row 1"):
        feature_statistics([[0.0], [np.nan]])
    with pytest.raises(FeatureError, match=r"two axes \(clips, dimensions\), got shape \(6,\)"):
        feature_statistics(rows()[0])
    with pytest.raises(FeatureError, match="no shard to merge"):
        merge_statistics([])
    with pytest.raises(FeatureError, match="same number of dimensions, got 6 and 5"):
        merge_statistics([feature_statistics(rows()), feature_statistics(rows()[:, :5])])


def test_files_go_to_pytorch_fid_and_come_back(tmp_path: Path):
    path, own = tmp_path / "reference.npz", feature_statistics(rows())
    write_statistics(path, own)
    back = read_statistics(path)
    assert np.array_equal(back.mu, own.mean)
    assert np.array_equal(back.sigma, own.covariance)
    mu, sigma = compute_statistics_of_path(str(path), None, None, None, None)
    assert np.array_equal(mu, own.mean)
    assert np.array_equal(sigma, own.covariance)


def test_files_that_hold_no_statistics_are_refused(tmp_path: Path):
    with pytest.raises(FeatureError, match=r"(?s)cannot be read as statistics.*an .npz file"):
        read_statistics(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("mu sigma")
    with pytest.raises(FeatureError, match="cannot be read as statistics"):
        read_statistics(tmp_path / "text.npz")
    np.save(tmp_path / "plain.npy", np.zeros(3))
    with pytest.raises(FeatureError, match="cannot be read as statistics"):
        read_statistics(tmp_path / "plain.npy")
    np.savez(tmp_path / "half.npz", mu=np.zeros(3), other=np.zeros(2))
    with pytest.raises(FeatureError, match=r"(?s)must hold mu and sigma, it holds mu, other.*write_statistics"):
        read_statistics(tmp_path / "half.npz")
    np.savez(tmp_path / "objects.npz", mu=np.array([{}], dtype=object), sigma=np.zeros((1, 1)))
    with pytest.raises(FeatureError, match="allow_pickle=False"):
        read_statistics(tmp_path / "objects.npz")


def test_a_value_against_statistics_needs_clips_and_the_same_dimensions():
    statistics = PublishedStatistics(np.zeros(5), np.eye(5))
    metric = FVD(Levels())
    metric.update(noise(1))
    with pytest.raises(UndefinedScoreError, match="fvd_toy needs at least 2 clips, got 1"):
        metric.compute_against(statistics)
    metric.update(noise(20))
    with (
        pytest.raises(FeatureError, match="the statistics have 5 dimensions, toy has 6"),
        pytest.warns(MetricWarning, match="fvd_toy of 21 clips: fewer than 256 clips$"),
    ):
        metric.compute_against(statistics)
    frames = FID(FrameLevels(2), frames=2)
    frames.update(noise(20))
    with (
        pytest.raises(FeatureError, match="the statistics have 5 dimensions, toy-frames has 3"),
        pytest.warns(MetricWarning),
    ):
        frames.compute_against(statistics)
