"""The backbones `random-3d` and `random-2d`: convolutions that were never trained.

Distances between features of random networks rank many distortions as trained ones do (Naeem et al., ICML 2020, for
images), and need no file. They are a check that works everywhere, not a Fréchet video distance: average over several
seeds, and never compare with values of a trained network.

Weights are whole numbers drawn from Philox and scaled by square roots alone, so that all platforms and versions of all
libraries have the same ones; `weights_hash` says which.
"""

from __future__ import annotations

import hashlib
import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from metrics.backbones.clip_sampling import Clips, channels_first, check_frame_count, in_unit_range, squashed
from metrics.backbones.networks import ClipNetwork, FrameNetwork
from metrics.errors import MetricError

SIDE = 64
CHANNELS = (32, 64, 128)


def load_random_3d(device: torch.device, *, seed: int = 0, frames: int = 16) -> ClipNetwork:
    """A random network of 3D convolutions over the first frames of a clip.

    Args:
        device: Where it computes.
        seed: Of the weights.
        frames: How many frames are seen.

    Raises:
        MetricError: No frame, or a seed below 0.
    """
    check_frame_count(frames, 1, "random-3d")
    network = RandomFeatures(3, seed).to(device)

    def features(clips: Clips) -> Float[Tensor, "batch 224"]:
        return network(channels_first(_pixels(clips)))

    return ClipNetwork(
        name="random-3d",
        weights_hash=network.weights_hash(),
        policy=f"{frames}f-{SIDE}-antialias",
        dimensions=sum(CHANNELS),
        frames=frames,
        device=device,
        network=features,
    )


def load_random_2d(device: torch.device, *, seed: int = 0, frames: int = 8) -> FrameNetwork:
    """A random network of 2D convolutions over single frames.

    Args:
        device: Where it computes.
        seed: Of the weights.
        frames: How many frames of a clip are seen.

    Raises:
        MetricError: No frame, or a seed below 0.
    """
    check_frame_count(frames, 1, "random-2d")
    network = RandomFeatures(2, seed).to(device)

    def features(images: UInt8[Tensor, "n 3 height width"]) -> Float[Tensor, "n 224"]:
        return network(_pixels(images))

    return FrameNetwork(
        name="random-2d",
        weights_hash=network.weights_hash(),
        policy=f"{frames}f-uniform-{SIDE}-antialias",
        dimensions=sum(CHANNELS),
        frames=frames,
        device=device,
        network=features,
    )


class RandomFeatures(nn.Module):
    """Three convolutions with kernels of 3, stride 2 and ReLU; the feature is the mean of each channel of each of them.

    Args:
        axes: 2 for images, 3 for clips.
        seed: Of the weights.

    Raises:
        MetricError: The seed is no whole number of 0 or more.
    """

    def __init__(self, axes: Literal[2, 3], seed: int) -> None:
        super().__init__()
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
            raise MetricError(f"seed must be a whole number from 0 to 2^64 - 1, got {seed!r}")
        self.convolution = F.conv2d if axes == 2 else F.conv3d
        shapes = [(width, below, *[3] * axes) for below, width in zip((3, *CHANNELS), CHANNELS, strict=False)]
        self.kernels = nn.ParameterList(
            nn.Parameter(he_uniform(shape, seed, layer), requires_grad=False) for layer, shape in enumerate(shapes)
        )

    def forward(self, x: Float32[Tensor, "batch 3 *places"]) -> Float32[Tensor, "batch 224"]:
        """Features of pixels in [-1, 1]."""
        means = []
        for kernel in self.kernels:
            x = self.convolution(x, kernel, stride=2, padding=1).relu_()
            means.append(x.flatten(2).mean(dim=2))
        return torch.cat(means, dim=1)

    def weights_hash(self) -> str:
        """First 12 hex digits of the sha256 of all weights as little-endian float32."""
        values = (kernel.detach().cpu().numpy().astype("<f4") for kernel in self.kernels)
        return hashlib.sha256(b"".join(value.tobytes() for value in values)).hexdigest()[:12]


def he_uniform(shape: tuple[int, ...], seed: int, layer: int) -> Float32[Tensor, "*shape"]:
    """Uniform weights of variance 2 / inputs, which keeps the scale of activations through ReLUs (He et al., 2015).

    With the initialisation that layers come with, activations shrink until no two clips differ.
    """
    whole = np.random.Philox(key=[seed, layer]).random_raw(math.prod(shape))
    uniform = (whole >> np.uint64(11)).astype(np.float64) * 2.0**-53
    limit = math.sqrt(6 / math.prod(shape[1:]))
    return torch.from_numpy(((2 * uniform - 1) * limit).astype(np.float32)).reshape(shape)


def _pixels(frames: UInt8[Tensor, "*rest height width"]) -> Float32[Tensor, "*rest 64 64"]:
    return in_unit_range(squashed(frames, (SIDE, SIDE), antialias=True))
