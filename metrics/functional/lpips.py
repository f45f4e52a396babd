"""Learned perceptual image patch similarity (Zhang, Isola, Efros, Shechtman and Wang, CVPR 2018), version 0.1.

The one function here that reads files: the network's weights, once.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Float32, Float64, UInt8
from torch import Tensor

from metrics.backbones.arithmetic import Precision, check_precision, fixed_arithmetic
from metrics.backbones.lpips_network import Net, load_lpips
from metrics.errors import ClipError, MetricError
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
    keep_references_mib: int = 0,
) -> Float64[Tensor, " b"]:
    """LPIPS of each clip: of every frame and its reference at native size, averaged over frames; 0 is equal.

    The `lpips` package's own network and numbers, computed on the device that `preds` is on. The three nets are three
    metrics.

    Args:
        preds: uint8 RGB clips.
        target: Their references, same shape.
        net: Trunk of the network.
        precision: `bf16` computes the trunk in it: faster, less exact, and another id.
        keep_references_mib: MiB of memory, of this process, for features of references: one that comes again costs a
            hash of its frames and not a pass through the trunk. Never changes a value.

    Raises:
        ClipError: One of them is no uint8 RGB batch, the shapes differ, or frames are too small for the network.
        MetricError: There is no such net or precision.
        UnavailableMetricError: The package or the weights are not on this machine.
    """
    check_batch(preds)
    check_pair(preds, target)
    pairs = zip(preds, target, strict=True)
    values = [float(frame_lpips(ours, theirs, net, precision, keep_references_mib).mean()) for ours, theirs in pairs]
    return torch.tensor(values, dtype=torch.float64)


def frame_lpips(
    clip: UInt8[Tensor, "t 3 h w"],
    reference: UInt8[Tensor, "t 3 h w"],
    net: Net,
    precision: Precision = "float32",
    keep_references_mib: int = 0,
) -> Float64[Tensor, " t"]:
    """LPIPS of each frame of one clip, on the CPU; arguments as those of `lpips`.

    Raises:
        ClipError: Frames are too small for the network.
        MetricError: There is no such net or precision.
        UnavailableMetricError: The package or the weights are not on this machine.
    """
    check_precision(precision, "lpips")
    check_room(keep_references_mib)
    network = load_lpips(net, clip.device)
    height, width = clip.shape[-2:]
    least = MIN_SIDE[net]
    if min(height, width) < least:
        raise ClipError(f"lpips with {net} needs frames of at least {least} x {least} pixels, got {height} x {width}")
    at_once = frames_at_once(height, width)
    few = max(_PIXELS_IN_CACHE // (height * width), 1) if clip.device.type == "cpu" else at_once
    layers = partial(_layers, network.model, device=clip.device, few=few, precision=precision)
    values = []
    with fixed_arithmetic(clip.device):
        for ours, theirs in zip(clip.split(at_once), reference.split(at_once), strict=True):
            known = network.kept.find_or_make(theirs, precision, keep_references_mib << 20, partial(layers, theirs))
            values.append(_distances(network.model, layers(ours), known, few))
    return torch.cat(values).double().cpu()


def check_room(keep_references_mib: int) -> None:
    """Refuse room that is no whole number of MiB from 0.

    Raises:
        MetricError: It is not.
    """
    if type(keep_references_mib) is not int or keep_references_mib < 0:
        raise MetricError(
            f"lpips: keep_references_mib must be a whole number of MiB, 0 or more, got {keep_references_mib!r}"
        )


def _layers(
    model: Any, frames: UInt8[Tensor, "t 3 h w"], device: torch.device, few: int, precision: Precision
) -> list[Float[Tensor, "t c h w"]]:
    """Features of the trunk. References and clips go through it apart, so that kept ones equal those made anew."""
    half = precision == "bf16"
    images = _scaled(model.scaling_layer, frames.to(device), few, torch.bfloat16 if half else torch.float32)
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        return list(model.net(images))


def _distances(
    model: Any, ours: list[Float[Tensor, "t c h w"]], theirs: list[Float[Tensor, "t c h w"]], few: int
) -> Float32[Tensor, " t"]:
    """What the package's network gives for each frame."""
    total = torch.zeros(len(ours[0]), device=ours[0].device)
    for *sides, head in zip(ours, theirs, model.lins, strict=True):
        weight = head.model[-1].weight.flatten()
        pairs = zip(*(side.split(few) for side in sides), strict=True)
        gaps = [_unit(a).sub_(_unit(b)).square_().mean(dim=(2, 3)) for a, b in pairs]
        total += torch.cat(gaps) @ weight
    return total


def _unit(features: Float[Tensor, "few c h w"]) -> Float32[Tensor, "few c h w"]:
    """Features of length 1 at every place."""
    features = features.float()
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + 1e-10)


def _scaled(scaling: Any, frames: UInt8[Tensor, "t 3 h w"], few: int, dtype: torch.dtype) -> Float[Tensor, "t 3 h w"]:
    """Levels as the trunk wants them, the channels of a pixel side by side in memory: convolutions are then faster."""
    images = torch.empty(frames.shape, dtype=dtype, device=frames.device, memory_format=torch.channels_last)
    for levels, place in zip(frames.split(few), images.split(few), strict=True):
        place.copy_((levels / 127.5).sub_(1).sub_(scaling.shift).div_(scaling.scale))
    return images
