"""I3D: Inception-v1 inflated to three dimensions (Carreira and Zisserman, CVPR 2017).

Names and shapes are those of `rgb_imagenet.pt`, the open PyTorch weights for Kinetics-400, which load strictly:

    network = I3D()
    network.load_state_dict(torch.load("rgb_imagenet.pt", weights_only=True))
    network(clips)                  # (batch, 400), what Fréchet video distances are computed from

Memory holds the channels of a pixel side by side (channels_last_3d), whatever comes in: on CPUs pooling is then several
times as fast, and a 1x1x1 convolution is one product of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from metrics.errors import ClipError

SIDE = 224
MIN_FRAMES = 9
"""With fewer, nothing is left along time for the last pooling window."""

_Sizes = tuple[int, int, int]

_MIXED: dict[str, tuple[int, tuple[int, int, int, int, int, int]]] = {
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}
"""Channels that come in, and that each convolution gives: b0, b1a, b1b, b2a, b2b, b3b."""


class I3D(nn.Module):
    """Clips to logits of the 400 classes of Kinetics-400. Comes in evaluation mode, as every use of it needs.

    Args:
        classes: Number of logits.
    """

    def __init__(self, classes: int = 400) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, (7, 7, 7), stride=(2, 2, 2))
        self.Conv3d_2b_1x1 = Unit(64, 64, (1, 1, 1))
        self.Conv3d_2c_3x3 = Unit(64, 192, (3, 3, 3))
        for name, (channels_in, channels) in _MIXED.items():
            self.add_module(name, InceptionBlock(channels_in, channels))
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(1024, classes, 1)})
        self.register_load_state_dict_pre_hook(_add_missing_counters)
        self.eval()

    def forward(self, clips: Float[Tensor, "batch 3 time 224 224"]) -> Float[Tensor, "batch classes"]:
        """Logits averaged over time, of clips in [-1, 1].

        Raises:
            ClipError: Another shape, or fewer than 9 frames.
        """
        return self.logits_over_time(clips).mean(dim=2)

    def logits_over_time(self, clips: Float[Tensor, "batch 3 time 224 224"]) -> Float[Tensor, "batch classes places"]:
        """Logits at each place along time that the last layer sees, of clips in [-1, 1]: time / 8, rounded up, minus 1.

        Raises:
            ClipError: Another shape, or fewer than 9 frames.
        """
        _check(clips)
        x = self.Conv3d_1a_7x7(clips.contiguous(memory_format=torch.channels_last_3d))
        x = max_pool_same(x, (1, 3, 3), (1, 2, 2))
        x = max_pool_same(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)), (1, 3, 3), (1, 2, 2))
        x = max_pool_same(self._mixed("3", x), (3, 3, 3), (2, 2, 2))
        x = max_pool_same(self._mixed("4", x), (2, 2, 2), (2, 2, 2))
        x = F.avg_pool3d(self._mixed("5", x).float(), (2, 7, 7), stride=1)
        return self.logits["conv3d"](x).flatten(2)

    def fold_(self, dtype: torch.dtype = torch.float32) -> I3D:
        """Take every normalisation into the convolution before it, for good: about a third faster, equal to rounding.

        Args:
            dtype: That of all convolutions but the last; clips must come in it.
        """
        for module in self.modules():
            if isinstance(module, Unit):
                module.fold_(dtype)
        return self

    def _mixed(self, stage: str, x: Tensor) -> Tensor:
        for name in _MIXED:
            if name.startswith(f"Mixed_{stage}"):
                x = self.get_submodule(name)(x)
        return x


class Unit(nn.Module):
    """Convolution without bias, batch normalisation and ReLU; padded as TensorFlow's "SAME"."""

    def __init__(self, channels_in: int, channels: int, kernel: _Sizes, stride: _Sizes = (1, 1, 1)) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels_in, channels, kernel, stride=stride, bias=False)
        self.bn: nn.BatchNorm3d | None = nn.BatchNorm3d(channels, eps=1e-3)

    def forward(self, x: Float[Tensor, "batch c t h w"]) -> Float[Tensor, "batch channels t2 h2 w2"]:
        """As many places as strides fit into the input, the last one rounded up."""
        if self.bn is None and _onednn_takes(x):
            x = _convolve_by_onednn(*self._padded(x), self.conv3d)
            return x.contiguous(memory_format=torch.channels_last_3d)  # some of its kernels lose the order
        x = self._convolved(x)
        return F.relu_(x if self.bn is None else self.bn(x))

    def fold_(self, dtype: torch.dtype) -> None:
        """See `I3D.fold_`."""
        if self.bn is None:
            return
        mean, variance = self.bn.running_mean, self.bn.running_var
        assert mean is not None
        assert variance is not None
        scale = self.bn.weight.double() / (variance.double() + self.bn.eps).sqrt()
        weight = (self.conv3d.weight.double() * scale[:, None, None, None, None]).to(dtype)
        bias = (self.bn.bias.double() - mean.double() * scale).to(dtype)
        self.conv3d.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last_3d), requires_grad=False)
        self.conv3d.bias = nn.Parameter(bias, requires_grad=False)
        self.bn = None

    def _convolved(self, x: Tensor) -> Tensor:
        conv = self.conv3d
        if conv.kernel_size == (1, 1, 1):
            return F.linear(x.movedim(1, -1), conv.weight.flatten(1), conv.bias).movedim(-1, 1)
        x, padding = self._padded(x)
        x = F.conv3d(x, conv.weight, conv.bias, conv.stride, padding)
        return x.contiguous(memory_format=torch.channels_last_3d)  # some of the kernels chosen for it lose the order

    def _padded(self, x: Tensor) -> tuple[Tensor, Sequence[int]]:
        """The input and the padding that the convolution itself can do, alike in front and behind."""
        front, behind = same_padding(x.shape[2:], self.conv3d.kernel_size, self.conv3d.stride)
        if front == behind:
            return x, front
        pairs = zip(reversed(front), reversed(behind), strict=True)
        return F.pad(x, [size for pair in pairs for size in pair]), (0, 0, 0)


class InceptionBlock(nn.Module):
    """Four branches side by side: 1x1, 1x1 then 3x3 twice, and max-pooling then 1x1."""

    def __init__(self, channels_in: int, channels: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = channels
        self.b0 = Unit(channels_in, b0, (1, 1, 1))
        self.b1a, self.b1b = Unit(channels_in, b1a, (1, 1, 1)), Unit(b1a, b1b, (3, 3, 3))
        self.b2a, self.b2b = Unit(channels_in, b2a, (1, 1, 1)), Unit(b2a, b2b, (3, 3, 3))
        self.b3b = Unit(channels_in, b3b, (1, 1, 1))

    def forward(self, x: Float[Tensor, "batch c t h w"]) -> Float[Tensor, "batch channels t h w"]:
        """The branches' channels after one another."""
        pooled = max_pool_same(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


def _onednn_takes(x: Tensor) -> bool:
    if x.device.type != "cpu" or torch.is_grad_enabled() or not torch.backends.mkldnn.is_available():
        return False
    return x.dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _convolve_by_onednn(x: Tensor, padding: Sequence[int], conv: nn.Conv3d) -> Tensor:
    """Convolution and ReLU in one, where `F.conv3d` takes a slower way for a single clip in a single thread."""
    return torch.ops.mkldnn._convolution_pointwise(
        x, conv.weight, conv.bias, list(padding), list(conv.stride), [1, 1, 1], 1, "relu", [], ""
    )


def same_padding(sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Zeros before and behind each dimension under TensorFlow's "SAME": what is odd about their number goes behind."""
    totals = [max(k - (size % s or s), 0) for size, k, s in zip(sizes, kernel, stride, strict=True)]
    return tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)


def max_pool_same(
    x: Float[Tensor, "batch c t h w"], kernel: _Sizes, stride: _Sizes
) -> Float[Tensor, "batch c t2 h2 w2"]:
    """Max-pooling padded with zeros as TensorFlow's "SAME", of values that are not negative.

    What comes out of a ReLU is nowhere below the padding, so that windows cut off at the border have the same maximum
    and nothing needs to be copied: padding in front is the pooling's own, padding behind its last, incomplete window.
    """
    if kernel == (3, 3, 3) and stride == (1, 1, 1) and x.device.type == "cpu" and not torch.is_grad_enabled():
        return _max_of_neighbours(x)
    front, _ = same_padding(x.shape[2:], kernel, stride)
    return F.max_pool3d(x, kernel, stride, front, ceil_mode=True)


def _max_of_neighbours(x: Float[Tensor, "batch c t h w"]) -> Float[Tensor, "batch c t h w"]:
    """Pooling 3x3x3 at stride 1, an axis at a time: in less than half the time of PyTorch, which also keeps places."""
    for axis in (2, 3, 4):
        last = x.shape[axis] - 1
        before, behind, found = x.narrow(axis, 0, last), x.narrow(axis, 1, last), x.clone()
        for place, neighbour in ((found.narrow(axis, 0, last), behind), (found.narrow(axis, 1, last), before)):
            torch.maximum(place, neighbour, out=place)
        x = found
    return x


def _add_missing_counters(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_unused: Any) -> None:
    """Files older than PyTorch 0.4.1 do not count the batches that their running statistics have seen."""
    for name, _ in module.named_buffers():
        if name.endswith("num_batches_tracked"):
            state_dict.setdefault(prefix + name, torch.zeros((), dtype=torch.int64))


def _check(clips: Tensor) -> None:
    shape = tuple(clips.shape)
    if len(shape) != 5 or shape[1] != 3 or shape[3:] != (SIDE, SIDE):
        raise ClipError(f"I3D takes clips (batch, 3, time, {SIDE}, {SIDE}), got shape {shape}")
    if shape[2] < MIN_FRAMES:
        raise ClipError(f"I3D needs at least {MIN_FRAMES} frames, got a clip of {shape[2]}")
