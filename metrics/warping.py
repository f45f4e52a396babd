"""What is left of the change between frames once motion is undone."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.warping import clip_warping
from metrics.view import ClipView


class WarpingError(FrameMetric):
    """Mean squared difference between each frame and its successor warped back along the optical flow.

    Only pixels whose forward and backward flow agree are measured. Unlike `flicker` it forgives motion; like `flicker`
    it improves under blur, compression and freezing, so never rank by it alone, but beside `motion_magnitude`,
    `duplicate_ratio` and `sharpness`; `warping_ok_share` tells how much of the clip it was measured on. A clip of which
    less than 5 % can be measured has no value and counts as failed.

    Example:
        >>> import metrics, torch
        >>> warping = metrics.build("warping-error")
        >>> warping.update(torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8))
        >>> float(warping.compute())
        0.0
    """

    min_frames = 2
    card = MetricCard(
        name="warping_error",
        version=1,
        title="Flow warping error",
        direction="lower",
        unit="squared fraction of full scale",
        range=(0.0, 1.0),
        level="clip",
        family="temporal consistency",
        policy="max256-dis",
        formula="mean of (x[t+1](p + f) - x[t](p))^2 over pixels p with p + f inside the frame and "
        "|f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5; DIS flow f forward, b backward at p + f, short side at most 256",
        source="Lai et al., ECCV 2018; consistency check: Sundaram, Brox and Keutzer, ECCV 2010",
        sees="brightness flicker, noise and texture that boils while things move",
        blind_to="blur, compression and freezing, which improve it; what happens where flow fails, such as at cuts",
        responses={"noise": "up", "flicker": "up", "shuffle": "up", "frozen": "down"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """What is left of each pair of neighbours, and of how many pixels."""
        return view.warping

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Warping error of one clip."""
        return clip_warping(measured).defined_error()


class WarpingOkShare(FrameMetric):
    """Share of a clip's pixels on which `warping_error` is measured.

    The rest leaves the frame, is covered by something, or lies where forward and backward flow disagree. Two warping
    errors of very different shares speak about different parts of their clips; below 0.05 there is none.

    Example:
        >>> import metrics, torch
        >>> share = metrics.build("warping-ok-share")
        >>> share.update(torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8))
        >>> float(share.compute())
        1.0
    """

    min_frames = 2
    card = MetricCard(
        name="warping_ok_share",
        version=1,
        title="Share of trusted flow",
        direction="neutral",
        unit="fraction of pixels",
        range=(0.0, 1.0),
        level="clip",
        family="temporal consistency",
        policy="max256-dis",
        formula="share of pixels p of all frames but the last with p + f inside the frame and "
        "|f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5; DIS flow f forward, b backward at p + f, short side at most 256",
        source="Sundaram, Brox and Keutzer, ECCV 2010",
        sees="fast motion, objects that cover each other, cuts, content that does not persist from frame to frame",
        blind_to="whether what cannot be followed is honest motion or a defect; a frozen clip has 1",
        responses={"jitter": "down", "shuffle": "down", "frozen": "up"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """What is left of each pair of neighbours, and of how many pixels."""
        return view.warping

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Share of trusted flow of one clip."""
        return clip_warping(measured).share
