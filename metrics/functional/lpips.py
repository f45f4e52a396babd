"""Learned perceptual image patch similarity (Zhang, Isola, Efros, Shechtman and Wang, CVPR 2018), version 0.1.

The one function here that reads files: the network's weights, once.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Float32, Float64, UInt8
from torch import Tensor

from metrics.backbones.arithmetic import Precision, check_precision, fixed_arithmetic
from metrics.backbones.lpips_network import Net, load_lpips
from metrics.errors import ClipError
from metrics.functional.checks import check_batch, check_pair

MIN_SIDE: dict[str, int] = {"alex": 31, "vgg": 16, "squeeze": 17}
"""On smaller frames nothing is left for the last layers."""

_PIXELS_AT_ONCE = 1 << 19
_PIXELS_IN_CACHE = 1 << 16
"""What is done pixel by pixel is done for so few at a time that a CPU keeps them at hand."""


def frames_at_once(height: int, width: int) -> int:
    """How many frames of this size go through the network together: that decides how sums are rounded."""
    return max(_PIXELS_AT_ONCE // (height * width), 1)


def lpips(
    preds: UInt8[Tensor, "b t 3 h w"],
    target: UInt8[Tensor, "b t 3 h w"],
    net: Net = "alex",
    precision: Precision = "float32",
) -> Float64[Tensor, " b"]:
    """LPIPS of each clip: of every frame and its reference at native size, averaged over frames; 0 is equal.

    The `lpips` package's own network and numbers, computed on the device that `preds` is on. The three nets are three
    metrics.

    Args:
        preds: uint8 RGB clips.
        target: Their references, same shape.
        net: Trunk of the network.
        precision: `bf16` computes the trunk in it: faster, less exact, and another id.

    Raises:
        ClipError: One of them is no uint8 RGB batch, the shapes differ, or frames are too small for the network.
        MetricError: There is no such net or precision.
        UnavailableMetricError: The package or the weights are not on this machine.
    """
    check_batch(preds)
    check_pair(preds, target)
    values = [clip_lpips(ours, theirs, net, precision) for ours, theirs in zip(preds, target, strict=True)]
    return torch.tensor(values, dtype=torch.float64)


def clip_lpips(
    clip: UInt8[Tensor, "t 3 h w"], reference: UInt8[Tensor, "t 3 h w"], net: Net, precision: Precision = "float32"
) -> float:
    """LPIPS of one clip.

    Raises:
        MetricError: One of the errors of `frame_lpips`.
    """
    return float(frame_lpips(clip, reference, net, precision).mean())


def frame_lpips(
    clip: UInt8[Tensor, "t 3 h w"], reference: UInt8[Tensor, "t 3 h w"], net: Net, precision: Precision = "float32"
) -> Float64[Tensor, " t"]:
    """LPIPS of each frame of one clip, on the CPU.

    Raises:
        ClipError: Frames are too small for the network.
        MetricError: There is no such net or precision.
        UnavailableMetricError: The package or the weights are not on this machine.
    """
    check_precision(precision, "lpips")
    model = load_lpips(net, clip.device).model
    height, width = clip.shape[-2:]
    least = MIN_SIDE[net]
    if min(height, width) < least:
        raise ClipError(f"lpips with {net} needs frames of at least {least} x {least} pixels, got {height} x {width}")
    at_once = frames_at_once(height, width)
    pairs = zip(clip.split(at_once), reference.to(clip.device).split(at_once), strict=True)
    with fixed_arithmetic(clip.device):
        values = [_distances(model, ours, theirs, precision) for ours, theirs in pairs]
    return torch.cat(values).double().cpu()


def _distances(
    model: Any, ours: UInt8[Tensor, "t 3 h w"], theirs: UInt8[Tensor, "t 3 h w"], precision: Precision
) -> Float32[Tensor, " t"]:
    """What the package's network gives for each frame. Both sides go through the trunk at once."""
    few = max(_PIXELS_IN_CACHE // (ours.shape[2] * ours.shape[3]), 1) if ours.device.type == "cpu" else len(ours)
    half = precision == "bf16"
    images = _scaled(model.scaling_layer, (ours, theirs), few, torch.bfloat16 if half else torch.float32)
    with torch.autocast(ours.device.type, torch.bfloat16, enabled=half):
        layers = model.net(images)
    total = torch.zeros(len(ours), device=ours.device)
    for features, head in zip(layers, model.lins, strict=True):
        weight = head.model[-1].weight.flatten()
        sides = (side.split(few) for side in features.split(len(ours)))
        gaps = [_unit(a).sub_(_unit(b)).square_().mean(dim=(2, 3)) for a, b in zip(*sides, strict=True)]
        total += torch.cat(gaps) @ weight
    return total


def _unit(features: Float[Tensor, "few c h w"]) -> Float32[Tensor, "few c h w"]:
    """Features of length 1 at every place."""
    features = features.float()
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + 1e-10)


def _scaled(
    scaling: Any, sides: tuple[UInt8[Tensor, "t 3 h w"], UInt8[Tensor, "t 3 h w"]], few: int, dtype: torch.dtype
) -> Float[Tensor, "both 3 h w"]:
    """Levels as the trunk wants them, the channels of a pixel side by side in memory: convolutions are then faster."""
    count, *size = sides[0].shape
    images = torch.empty(2 * count, *size, dtype=dtype, device=sides[0].device, memory_format=torch.channels_last)
    for side, out in zip(sides, images.split(count), strict=True):
        for frames, place in zip(side.split(few), out.split(few), strict=True):
            place.copy_((frames / 127.5).sub_(1).sub_(scaling.shift).div_(scaling.scale))
    return images
