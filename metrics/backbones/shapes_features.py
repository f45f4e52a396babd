"""The backbone `shapes`: the packaged encoder of the moving-shapes world, as distances between sets of clips use it."""

from __future__ import annotations

import torch
from torch import Tensor

from metrics.backbones.networks import ClipNetwork
from metrics.backbones.shapes import NAME, load, weights_hash
from metrics.backbones.shapes_video import FRAMES, POLICY, frames_seen
from metrics.functional.checks import check_frames


def load_shapes(device: torch.device) -> ClipNetwork:
    """Features of three depths from 16 frames of 32x32, spread evenly; a shorter clip is refused, none is repeated.

    Raises:
        UnavailableMetricError: The package's files are damaged.
    """
    encoder = load().to(device)

    def network(clips: Tensor) -> Tensor:
        check_frames(clips.transpose(0, 1), FRAMES, NAME)
        return encoder.features(clips)

    return ClipNetwork(
        name=NAME,
        weights_hash=weights_hash(),
        policy=POLICY,
        dimensions=encoder.video.feature_dimensions,
        frames=None,
        device=device,
        network=network,
        chosen=frames_seen,
    )
