"""The backbones `i3d` and `i3d-torchscript`: what Fréchet video distance was defined on (Unterthiner et al., 2018).

Both give the 400 logits of Kinetics-400, averaged over time. Their weights are not the same, so neither are the values.
"""

from __future__ import annotations

import warnings
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.backbones.arithmetic import Precision, check_precision
from metrics.backbones.clip_sampling import (
    Clips,
    Resize,
    channels_first,
    check_frame_count,
    check_stride,
    cropped,
    frames_policy,
    in_unit_range,
    squashed,
)
from metrics.backbones.i3d import I3D, MIN_FRAMES, SIDE
from metrics.backbones.networks import ClipNetwork
from metrics.backbones.state_files import load_state, read_state
from metrics.errors import MetricError, UnavailableMetricError
from metrics.weights import find_weights, weights_hash

CLASSES = 400
FILE, SCRIPT = "i3d-kinetics-400", "i3d-torchscript"


def load_i3d(
    device: torch.device,
    *,
    frames: int = 16,
    stride: int = 1,
    resize: Resize = "bilinear",
    precision: Precision = "float32",
) -> ClipNetwork:
    """Our I3D with the open PyTorch weights.

    The first frames of a clip, squashed to 224x224 without antialias, as the original definition does.

    Args:
        device: Where it computes.
        frames: How many frames are seen, at least 9.
        stride: Of so many frames one is seen.
        resize: `antialias` widens the filter where frames shrink, and is another policy.
        precision: `bf16` is several times as fast, moves features by half a hundredth, and is another policy.

    Raises:
        MetricError: Fewer frames, or another stride, filter or precision.
        UnavailableMetricError: The weights are not on this machine.
    """
    check_frame_count(frames, MIN_FRAMES, "i3d")
    check_stride(stride, "i3d")
    check_precision(precision, "i3d")
    if resize not in get_args(Resize):
        raise MetricError(f"i3d: resize must be {' or '.join(get_args(Resize))}, got {resize!r}")
    with torch.device("meta"):
        empty = I3D(CLASSES)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    network = load_state(empty, read_state(FILE), FILE).fold_(dtype).to(device)

    def features(clips: Clips) -> Float[Tensor, "batch 400"]:
        pixels = channels_first(in_unit_range(squashed(clips, (SIDE, SIDE), antialias=resize == "antialias")))
        return network(pixels.to(dtype, memory_format=torch.channels_last_3d))

    return ClipNetwork(
        name="i3d",
        weights_hash=weights_hash(find_weights(FILE)),
        policy=f"{frames_policy(frames, stride)}-{SIDE}-{resize}" + ("-bf16-folded" if precision == "bf16" else ""),
        dimensions=CLASSES,
        frames=frames,
        stride=stride,
        device=device,
        network=features,
    )


def load_i3d_torchscript(device: torch.device, *, frames: int = 16, stride: int = 1) -> ClipNetwork:
    """The TorchScript file that most published values come from, as most evaluations call it.

    The first frames of a clip, short side to 224 without antialias, the square in the middle.

    Args:
        device: Where it computes.
        frames: How many frames are seen, at least 9.
        stride: Of so many frames one is seen.

    Raises:
        MetricError: Fewer frames, or another stride.
        UnavailableMetricError: The file is not on this machine, or is no TorchScript.
    """
    check_frame_count(frames, MIN_FRAMES, SCRIPT)
    check_stride(stride, SCRIPT)
    path = find_weights(SCRIPT)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit.load` is deprecated", FutureWarning)
            script = torch.jit.load(str(path), map_location=device)
    except RuntimeError as error:
        raise UnavailableMetricError(
            f"{path} is no TorchScript file that can be loaded: {str(error).partition(chr(10))[0]}",
            hint=f"remove it and run `stepbench weights pull {SCRIPT}`",
        ) from error
    script.eval()

    def features(clips: Clips) -> Float[Tensor, "batch 400"]:
        pixels = channels_first(in_unit_range(cropped(clips, SIDE))).contiguous()
        return script(pixels, rescale=False, resize=False, return_features=True)

    return ClipNetwork(
        name=SCRIPT,
        weights_hash=weights_hash(path),
        policy=f"{frames_policy(frames, stride)}-short{SIDE}-crop-bilinear",
        dimensions=CLASSES,
        frames=frames,
        stride=stride,
        device=device,
        network=features,
    )
