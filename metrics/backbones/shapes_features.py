"""The backbone `shapes`: the packaged encoder of the moving-shapes world, as distances between sets of clips use it."""

from __future__ import annotations

import torch

from metrics.backbones.networks import ClipNetwork
from metrics.backbones.shapes import NAME, load, weights_hash
from metrics.backbones.shapes_video import POLICY, frames_seen


def load_shapes(device: torch.device) -> ClipNetwork:
    """Features of three depths from 16 frames of 32x32; a shorter clip repeats some of its frames.

    Raises:
        UnavailableMetricError: The package's files are damaged.
    """
    encoder = load().to(device)
    return ClipNetwork(
        name=NAME,
        weights_hash=weights_hash(),
        policy=POLICY,
        dimensions=encoder.video.feature_dimensions,
        frames=None,
        device=device,
        network=encoder.features,
        chosen=frames_seen,
    )
