"""Clip metrics as they are commonly scripted: one pass over the files per metric, and a loop with torchmetrics.

The yardstick of `benchmarks/metrics_library.py`. Same definitions, written the plain way.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import scipy.linalg
import torch
import torch.nn.functional as F
from torch import Tensor

Pair = tuple[np.ndarray, np.ndarray]
"""Clip and reference, uint8 (t, 3, h, w)."""


def psnr(pair: Pair) -> float:
    a, b = (side.astype(np.float64) / 255 for side in pair)
    return float(
        np.mean([min(10 * np.log10(1 / max(np.mean((x - y) ** 2), 1e-10)), 100) for x, y in zip(a, b, strict=True)])
    )


def ssim(pair: Pair) -> float:
    a, b = (side.astype(np.float64) / 255 for side in pair)
    return float(
        np.mean([_ssim_map(x, y).mean() for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)])
    )


def _ssim_map(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    kernel = cv2.getGaussianKernel(11, 1.5)
    window = np.outer(kernel, kernel.transpose())

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.filter2D(image, -1, window)[5:-5, 5:-5]

    mu_x, mu_y = mean(x), mean(y)
    var_x, var_y, both = mean(x * x) - mu_x**2, mean(y * y) - mu_y**2, mean(x * y) - mu_x * mu_y
    c1, c2 = 0.01**2, 0.03**2
    return (2 * mu_x * mu_y + c1) * (2 * both + c2) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))


def lpips(network: Any, pair: Pair) -> float:
    a, b = (torch.from_numpy(side).float() / 127.5 - 1 for side in pair)
    with torch.no_grad():
        return float(np.mean([float(network(x[None], y[None])) for x, y in zip(a, b, strict=True)]))


def i3d_features(state: Mapping[str, Tensor], clip: np.ndarray) -> np.ndarray:
    """The 400 logits of one clip, averaged over time."""
    frames = F.interpolate(torch.from_numpy(clip[:16]).float(), (224, 224), mode="bilinear", align_corners=False)
    with torch.no_grad():
        return plain_i3d(state, (frames / 127.5 - 1).transpose(0, 1)[None])[0].numpy()


def frechet_by_root(x: np.ndarray, y: np.ndarray) -> float:
    """The textbook formula, with SciPy's matrix square root."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    sigma_x, sigma_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(scipy.linalg.sqrtm(sigma_x @ sigma_y))
    return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(sigma_x + sigma_y - 2 * root))


def one_pass_per_metric(
    read: Callable[[int], Pair], clips: int, network: Any, state: Mapping[str, Tensor]
) -> dict[str, float]:
    """Every metric reads all files for itself."""
    values = {
        "psnr": float(np.mean([psnr(read(index)) for index in range(clips)])),
        "ssim": float(np.mean([ssim(read(index)) for index in range(clips)])),
        "lpips": float(np.mean([lpips(network, read(index)) for index in range(clips)])),
    }
    features = np.array([[i3d_features(state, side) for side in read(index)] for index in range(clips)])
    return {**values, "fvd": frechet_by_root(features[:, 0], features[:, 1])}


class Torchmetrics:
    """A loop over the files with torchmetrics' own metrics, which decodes each of them once."""

    def __init__(self, network: torch.nn.Module, state: Mapping[str, Tensor]) -> None:
        from torchmetrics.image import FrechetInceptionDistance, PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

        self.psnr = PeakSignalNoiseRatio(data_range=1.0)
        self.ssim = StructuralSimilarityIndexMeasure(data_range=1.0)
        self.fvd = FrechetInceptionDistance(feature=_PlainI3D(state))
        self.network = network

    def __call__(self, read: Callable[[int], Pair], clips: int) -> dict[str, float]:
        for metric in (self.psnr, self.ssim, self.fvd):
            metric.reset()
        distances: list[float] = []
        for index in range(clips):
            a, b = (torch.from_numpy(side) for side in read(index))
            x, y = a.float() / 255, b.float() / 255
            self.psnr.update(x, y)
            self.ssim.update(x, y)
            with torch.no_grad():
                distances.append(float(self.network(2 * x - 1, 2 * y - 1).mean()))
            self.fvd.update(a[None], real=False)
            self.fvd.update(b[None], real=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = {"psnr": self.psnr.compute(), "ssim": self.ssim.compute(), "fvd": self.fvd.compute()}
        return {**{name: float(value) for name, value in values.items()}, "lpips": float(np.mean(distances))}


class _PlainI3D(torch.nn.Module):
    num_features = 400

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._state = state

    def forward(self, clips: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([i3d_features(self._state, clip.numpy()) for clip in clips]))


def plain_i3d(state: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """I3D layer by layer, padded explicitly, in the order of memory that PyTorch has by default."""

    def padded(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
        widths: list[int] = []
        for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
            total = max(k - (size % s or s), 0)
            widths = [total // 2, total - total // 2, *widths]
        return F.pad(x, widths)

    def unit(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight, norm = state[f"{name}.conv3d.weight"], f"{name}.bn."
        x = F.conv3d(padded(x, weight.shape[2:], [stride] * 3), weight, stride=stride)
        mean, variance, scale, bias = (state[norm + part] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.relu(F.batch_norm(x, mean, variance, scale, bias, eps=1e-3))

    def pool(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
        return F.max_pool3d(padded(x, kernel, stride), list(kernel), list(stride))

    def mixed(x: Tensor, name: str) -> Tensor:
        branches = [unit(x, f"{name}.b0")]
        branches += [unit(unit(x, f"{name}.{b}a"), f"{name}.{b}b") for b in ("b1", "b2")]
        return torch.cat([*branches, unit(pool(x, (3, 3, 3), (1, 1, 1)), f"{name}.b3b")], dim=1)

    x = pool(unit(x, "Conv3d_1a_7x7", 2), (1, 3, 3), (1, 2, 2))
    x = pool(unit(unit(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3"), (1, 3, 3), (1, 2, 2))
    x = pool(mixed(mixed(x, "Mixed_3b"), "Mixed_3c"), (3, 3, 3), (2, 2, 2))
    for letter in "bcdef":
        x = mixed(x, f"Mixed_4{letter}")
    x = mixed(mixed(pool(x, (2, 2, 2), (2, 2, 2)), "Mixed_5b"), "Mixed_5c")
    x = F.avg_pool3d(x, (2, 7, 7), stride=1)
    return F.conv3d(x, state["logits.conv3d.weight"], state["logits.conv3d.bias"]).flatten(2).mean(dim=2)
