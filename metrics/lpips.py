"""Learned perceptual image patch similarity to a reference clip."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from metrics.backbones.arithmetic import Precision, check_precision
from metrics.backbones.lpips_network import Net, check_lpips, load_lpips
from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.lpips import check_room, frame_lpips, frames_at_once
from metrics.view import ClipView


class LPIPS(FrameMetric):
    """How different a clip looks from its reference, to features of a network that people's judgements have weighted.

    Numbers are those of the `lpips` package, version 0.1, per frame at native size; mean over frames, then over clips.
    The class's card is that of `alex` without weights; that of an object names its net and weights.

    Args:
        net: Trunk of the network: `alex`, `vgg` or `squeeze`. Three metrics that are not comparable.
        precision: `float32`, or `bf16` for the trunk: faster, moves values by up to hundredths, and has another id.
        keep_references_mib: MiB of memory for features of references that come again, shared by all such metrics of
            this process: for validation in training loops, or several models against one set. A clip of 16 x 256 x 256
            takes 40 with `alex`, 20 in `bf16`. Never changes a value, so it is no part of the id.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        MetricError: There is no such net or precision, or the room is no whole number from 0.
        UnavailableMetricError: The package or the weights are not on this machine.

    Example:
        >>> import metrics, torch
        >>> clip = torch.zeros(1, 2, 3, 64, 64, dtype=torch.uint8)
        >>> lpips = metrics.build("lpips")      # needs the weights alexnet-imagenet
        >>> lpips.update(clip, clip)
        >>> float(lpips.compute())
        0.0
    """

    card = MetricCard(
        name="lpips",
        version=1,
        title="LPIPS",
        direction="lower",
        unit="",
        range=(0.0, None),
        level="clip",
        needs=("reference",),
        family="reconstruction",
        policy="native-alex",
        backbone="lpips-alex",
        formula="mean over frames of the sum over layers of the mean over places of w . (a - b)^2; a, b: unit features",
        source="Zhang, Isola, Efros, Shechtman and Wang, CVPR 2018; weights of the lpips package, version 0.1",
        sees="blur, noise, blocks and other damage to texture",
        blind_to="time; small shifts and texture that is other but alike cost little",
        responses={"noise": "up", "blur": "up", "compression": "up"},
    )

    def __init__(
        self, net: Net = "alex", precision: Precision = "float32", keep_references_mib: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_precision(precision, "lpips")
        check_room(keep_references_mib)
        found = load_lpips(net).weights_hash
        self.net: Net = net
        self.precision: Precision = precision
        self.keep_references_mib = keep_references_mib
        policy = f"native-{net}" + ("-bf16-trunk" if precision == "bf16" else "")
        self.card = replace(type(self).card, policy=policy, backbone=f"lpips-{net}", weights_hash=found)

    @classmethod
    def check_available(cls) -> None:
        """See the base; looks for the package and for the weights of `alex`."""
        check_lpips("alex")

    def frames_at_once(self, height: int, width: int) -> int:
        """As many as go through the network together."""
        return frames_at_once(height, width)

    def measure(self, view: ClipView) -> np.ndarray:
        """LPIPS of each frame."""
        assert view.reference is not None
        return frame_lpips(view.frames, view.reference, self.net, self.precision, self.keep_references_mib).numpy()
