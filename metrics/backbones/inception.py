"""The backbone `inception`: the network, weights and preprocessing of `pytorch-fid`, for Fréchet distances of frames.

That package's own constructor fetches its weights from the internet; its layers are put together here instead, around a
file that is already there. Features are those of the last pooling layer (Heusel et al., 2017).
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from metrics.backbones.arithmetic import Precision, check_precision
from metrics.backbones.clip_sampling import check_frame_count
from metrics.backbones.networks import FrameNetwork
from metrics.backbones.state_files import load_state, read_state
from metrics.optional_packages import load_package
from metrics.weights import find_weights, weights_hash

FILE = "inception-fid"
SIDE, DIMENSIONS, CLASSES = 299, 2048, 1008

_LAYERS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d"),
    *("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c", "avgpool"),
)


def load_inception(device: torch.device, *, frames: int = 8, precision: Precision = "float32") -> FrameNetwork:
    """Inception-v3 as in `pytorch-fid`: frames squashed to 299x299 without antialias, 2048 features each.

    Args:
        device: Where it computes.
        frames: How many frames of a clip are seen.
        precision: `bf16` is faster and another policy.

    Raises:
        MetricError: No frame, or another precision.
        UnavailableMetricError: The package or the weights are not on this machine.
    """
    check_frame_count(frames, 1, "inception")
    check_precision(precision, "inception")
    whole = load_state(_architecture(), read_state(FILE), FILE)
    network = nn.Sequential(*(getattr(whole, name) for name in _LAYERS)).to(device)

    def features(images: UInt8[Tensor, "n 3 height width"]) -> Float[Tensor, "n 2048"]:
        pixels = images.float() / 255
        if pixels.shape[-2:] != (SIDE, SIDE):
            pixels = nn.functional.interpolate(pixels, (SIDE, SIDE), mode="bilinear", align_corners=False)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            return network(2 * pixels - 1).flatten(1)

    return FrameNetwork(
        name="inception",
        weights_hash=weights_hash(find_weights(FILE)),
        policy=f"{frames}f-uniform-{SIDE}-bilinear" + ("-bf16" if precision == "bf16" else ""),
        dimensions=DIMENSIONS,
        frames=frames,
        device=device,
        network=features,
    )


def _architecture() -> nn.Module:
    """Torchvision's Inception-v3 with the blocks that TensorFlow's differs in, without values."""
    fid = load_package("pytorch_fid.inception", "the backbone inception")
    models = load_package("torchvision.models", "the backbone inception")
    with torch.device("meta"):
        network = models.inception_v3(weights=None, init_weights=False, aux_logits=False, num_classes=CLASSES)
        others: dict[str, Any] = {
            "Mixed_5b": fid.FIDInceptionA(192, pool_features=32),
            "Mixed_5c": fid.FIDInceptionA(256, pool_features=64),
            "Mixed_5d": fid.FIDInceptionA(288, pool_features=64),
            "Mixed_6b": fid.FIDInceptionC(768, channels_7x7=128),
            "Mixed_6c": fid.FIDInceptionC(768, channels_7x7=160),
            "Mixed_6d": fid.FIDInceptionC(768, channels_7x7=160),
            "Mixed_6e": fid.FIDInceptionC(768, channels_7x7=192),
            "Mixed_7b": fid.FIDInceptionE_1(1280),
            "Mixed_7c": fid.FIDInceptionE_2(2048),
        }
    for name, block in others.items():
        setattr(network, name, block)
    return network
