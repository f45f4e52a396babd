"""The building blocks that encoder and decoder share: causal convolution, per-frame norm, residual block."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

GROUP_NORM_EPS = 1e-5

Video = Float[Tensor, "batch channels time height width"]
Changed = Float[Tensor, "batch out_channels out_time out_height out_width"]
"""A video whose number of channels or resolution is no longer that of the input."""


class FrontPaddedConv3d(nn.Conv3d):
    """3D convolution that never looks ahead: zero frames only in front, zero pixels on all sides in space."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride=stride)
        # One copy pads all sides: convolutions that pad by themselves are a tenth slower on CPUs.
        self.margins = (kernel // 2,) * 4 + (kernel - 1, 0)

    def forward(self, input: Video) -> Changed:
        """(b, c, t, h, w) -> (b, c', ceil(t / stride), ceil(h / stride), ceil(w / stride))."""
        if not any(self.margins):
            return super().forward(input)
        padded = F.pad(input, self.margins)
        if _is_left_to_a_slow_kernel(padded):
            zeros, ones = [0, 0, 0], [1, 1, 1]
            return torch.mkldnn_convolution(padded, self.weight, self.bias, zeros, list(self.stride), ones, 1)
        return super().forward(padded)


def _is_left_to_a_slow_kernel(x: Video) -> bool:
    """Whether PyTorch may pass by oneDNN, whose convolutions are several times faster on CPUs.

    It does so for a single sample that it takes to be small, by a product of sizes in which the width is missing.
    """
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.shape[0] == 1
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
    )


class CausalConv3d(nn.Module):
    """`FrontPaddedConv3d` one level down, under `conv`, where the released file has all causal convolutions but one."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = FrontPaddedConv3d(in_channels, out_channels, kernel, stride=stride)

    def forward(self, x: Video) -> Changed:
        """See `FrontPaddedConv3d`."""
        return self.conv(x)


class PerFrameGroupNorm(nn.GroupNorm):
    """Group norm whose statistics belong to one frame, so that no frame sees another one."""

    def __init__(self, groups: int, channels: int) -> None:
        super().__init__(groups, channels, eps=GROUP_NORM_EPS)

    def forward(self, input: Video) -> Video:
        """Keeps the shape."""
        batch = input.shape[0]
        frames = input.transpose(1, 2).flatten(0, 1)
        return super().forward(frames).unflatten(0, (batch, -1)).transpose(1, 2)


class ResBlock(nn.Module):
    """`shortcut(x) + conv(silu(norm(conv(silu(norm(x))))))`."""

    def __init__(self, in_channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = PerFrameGroupNorm(groups, in_channels)
        self.conv1 = CausalConv3d(in_channels, out_channels)
        self.norm2 = PerFrameGroupNorm(groups, out_channels)
        self.conv2 = CausalConv3d(out_channels, out_channels)
        # A width that stays needs no shortcut layer, and the released file has none there.
        self.nin_shortcut = CausalConv3d(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x: Video) -> Changed:
        """(b, in, t, h, w) -> (b, out, t, h, w)."""
        hidden = self.conv1(F.silu(self.norm1(x)))
        hidden = self.conv2(F.silu(self.norm2(hidden)))
        return (x if self.nin_shortcut is None else self.nin_shortcut(x)) + hidden


class CausalAttention(nn.Module):
    """One head over all tokens of a chunk; token n sees the tokens up to itself in raster order (t, y, x)."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = PerFrameGroupNorm(groups, channels)
        self.q = CausalConv3d(channels, channels, 1)
        self.k = CausalConv3d(channels, channels, 1)
        self.v = CausalConv3d(channels, channels, 1)
        self.proj_out = CausalConv3d(channels, channels, 1)

    def forward(self, x: Video) -> Video:
        """Keeps the shape."""
        normed = self.norm(x)
        q, k, v = (project(normed).flatten(2).transpose(1, 2)[:, None] for project in (self.q, self.k, self.v))
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)[:, 0]
        return x + self.proj_out(seen.transpose(1, 2).unflatten(2, x.shape[2:]))


class Middle(nn.Module):
    """Residual block, attention, residual block at the lowest resolution."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.block_1 = ResBlock(channels, channels, groups)
        self.attn_1 = CausalAttention(channels, groups)
        self.block_2 = ResBlock(channels, channels, groups)

    def forward(self, x: Video) -> Video:
        """Keeps the shape."""
        return self.block_2(self.attn_1(self.block_1(x)))
