"""Halving and doubling of resolution between the levels of the VAE."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from reference_model.vae.layers import CausalConv3d, Changed, PerFrameGroupNorm, Video


class Downsample2d(nn.Module):
    """Halves height and width, frame by frame: 3x3 convolution with stride 2, padded right and bottom only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Video) -> Changed:
        """(b, c, t, h, w) -> (b, c, t, h / 2, w / 2)."""
        frames = F.pad(x.transpose(1, 2).flatten(0, 1), (0, 1, 0, 1))
        return self.conv(frames).unflatten(0, (x.shape[0], -1)).transpose(1, 2)


class Downsample3d(nn.Module):
    """Halves time, height and width: causal convolution with stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = CausalConv3d(channels, channels, stride=2)

    def forward(self, x: Video) -> Changed:
        """(b, c, t, h, w) -> (b, c, (t + 1) // 2, h / 2, w / 2)."""
        return self.conv(x)


class Upsample2d(nn.Module):
    """Doubles height and width, frame by frame: nearest neighbour, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Video) -> Changed:
        """(b, c, t, h, w) -> (b, c, t, 2h, 2w)."""
        frames = F.interpolate(x.transpose(1, 2).flatten(0, 1), scale_factor=2.0, mode="nearest")
        return self.conv(frames).unflatten(0, (x.shape[0], -1)).transpose(1, 2)


class Upsample3d(nn.Module):
    """Doubles time, height and width: nearest neighbour, then a residual unit."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.conv3d = UpsampleResidual(channels, groups)

    def forward(self, x: Video) -> Changed:
        """(b, c, t, h, w) -> (b, c, 2t, 2h, 2w)."""
        return self.conv3d(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class UpsampleResidual(nn.Module):
    """`silu(norm(conv(silu(norm(conv(x))))) + x) + x`: the input is added inside and outside the last SiLU."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.conv1 = CausalConv3d(channels, channels)
        self.norm1 = PerFrameGroupNorm(groups, channels)
        self.conv2 = CausalConv3d(channels, channels)
        self.norm2 = PerFrameGroupNorm(groups, channels)

    def forward(self, x: Video) -> Video:
        """Keeps the shape."""
        hidden = F.silu(self.norm1(self.conv1(x)))
        return F.silu(self.norm2(self.conv2(hidden)) + x) + x
