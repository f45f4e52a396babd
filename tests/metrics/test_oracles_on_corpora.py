"""Independent implementations on moving shapes and on pans over photographs: the same numbers, or known other ones."""

from __future__ import annotations

import clips
import corpora
import lpips as lpips_package
import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

import metrics
from metrics.backbones import load_backbone
from metrics.backbones.lpips_network import load_lpips

on_both = pytest.mark.parametrize("corpus", corpora.CORPORA)
OPTIONS = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255, "channel_axis": 2}


def pairs(corpus: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Three short clips of the corpus, damaged in three ways, and as they were."""
    target = corpora.CORPORA[corpus]()[:3, :3]
    damaged = (clips.with_noise(target[0], 9), clips.blurred(target[1], 1.2), clips.compressed(target[2], 80))
    return torch.stack(damaged), target


@on_both
def test_psnr_and_ssim_of_scikit_image(corpus: str):
    preds, target = pairs(corpus)
    frames = [
        list(zip(clips.as_levels(a), clips.as_levels(b), strict=True)) for a, b in zip(preds, target, strict=True)
    ]
    psnr = [np.mean([peak_signal_noise_ratio(b, a, data_range=255) for a, b in clip]) for clip in frames]
    ssim = [np.mean([structural_similarity(a, b, **OPTIONS) for a, b in clip]) for clip in frames]
    assert metrics.functional.psnr(preds, target).tolist() == pytest.approx(psnr, rel=1e-12)
    assert metrics.functional.ssim(preds, target).tolist() == pytest.approx(ssim, abs=1e-6)


@on_both
def test_psnr_of_torchmetrics_frame_by_frame_and_its_other_ssim(corpus: str):
    preds, target = pairs(corpus)
    for clip, reference, ours in zip(preds, target, metrics.functional.psnr(preds, target).tolist(), strict=True):
        both = zip(clip.double() / 255, reference.double() / 255, strict=True)
        theirs = [float(torchmetrics_psnr(a, b, data_range=1.0)) for a, b in both]
        assert ours == pytest.approx(np.mean(theirs), rel=1e-6)
    # Its SSIM keeps a border that is padded by reflection: another number, close to ours.
    theirs = float(structural_similarity_index_measure(preds[0] / 255, target[0] / 255, data_range=1.0))
    ours = float(metrics.functional.ssim(preds[:1], target[:1]))
    assert theirs != pytest.approx(ours, abs=1e-4)
    assert theirs == pytest.approx(ours, abs=0.05)


@on_both
@pytest.mark.filterwarnings("ignore:The parameter 'pretrained' is deprecated:UserWarning")
@pytest.mark.filterwarnings("ignore:Arguments other than a weight enum:UserWarning")
def test_lpips_of_the_package_frame_by_frame(corpus: str):
    preds, target = pairs(corpus)
    network = lpips_package.LPIPS(pretrained=False, pnet_rand=True, verbose=False).eval()
    network.load_state_dict(load_lpips("alex").model.state_dict())
    ours = metrics.functional.lpips(preds, target).tolist()
    with torch.no_grad():
        for clip, reference, value in zip(preds, target, ours, strict=True):
            both = zip(clip / 127.5 - 1, reference / 127.5 - 1, strict=True)
            theirs = np.mean([float(network(a[None], b[None])) for a, b in both])
            assert value == pytest.approx(theirs, rel=1e-5)
    assert metrics.functional.lpips(target, target).tolist() == [0.0] * 3
    backwards = metrics.functional.lpips(target, preds).tolist()
    assert backwards == pytest.approx(ours, rel=1e-6)


class Given(nn.Module):
    num_features = 224

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows


@on_both
@pytest.mark.filterwarnings("ignore:The `disp` argument is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all extracted features")
def test_distances_of_three_libraries_on_features_of_clips(corpus: str, capsys):
    target = corpora.CORPORA[corpus]()
    backbone = load_backbone("random-3d", frames=6)
    windows = [target[:, start : start + 6] for start in range(0, target.shape[1] - 5, 2)]
    x = torch.cat([backbone.features(window) for window in windows]).double()
    noisy = [torch.stack([clips.with_noise(clip, 12) for clip in window]) for window in windows]
    y = torch.cat([backbone.features(window) for window in noisy]).double()
    ours = float(metrics.functional.frechet_distance(x, y))
    moments = [moment for rows in (x.numpy(), y.numpy()) for moment in (rows.mean(0), np.cov(rows, rowvar=False))]
    # With fewer clips than dimensions their roots of covariances are good to some 1e-6 of the traces.
    close = {"abs": 1e-5 * float(x.var(dim=0).sum() + y.var(dim=0).sum())}
    assert ours == pytest.approx(float(calculate_frechet_distance(*moments)), **close)
    statistics = [fid_features_to_statistics(rows) for rows in (x, y)]
    (fidelity,) = fid_statistics_to_metric(*statistics, verbose=False).values()
    assert ours == pytest.approx(fidelity, **close)
    fid, kid = (
        FrechetInceptionDistance(feature=Given()),
        KernelInceptionDistance(Given(), subsets=1, subset_size=len(x)),
    )
    for metric in (fid, kid):
        metric.update(x, real=False)
        metric.update(y, real=True)
    assert ours == pytest.approx(float(fid.compute()), **close)
    assert float(metrics.functional.kernel_distance(x, y)) == pytest.approx(float(kid.compute()[0]), rel=1e-6)
