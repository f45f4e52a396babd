"""Flicker of a clip's overall brightness."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.luma_flicker import clip_luma_flicker
from metrics.view import ClipView


class LumaFlicker(FrameMetric):
    """Mean absolute second difference of the frames' mean luma, as a fraction of full scale.

    Brightness that goes up and down from frame to frame counts; a fade at constant speed does not, nor does motion, as
    long as it leaves the mean brightness alone.

    Example:
        >>> import metrics, torch
        >>> clip = torch.zeros(1, 3, 3, 16, 16, dtype=torch.uint8)
        >>> clip[:, 1] = 51
        >>> flicker = metrics.build("luma_flicker")
        >>> flicker.update(clip)
        >>> round(float(flicker.compute()), 6)
        0.4
    """

    min_frames = 3
    card = MetricCard(
        name="luma_flicker",
        version=1,
        title="Luma flicker",
        direction="lower",
        unit="fraction of full scale",
        range=(0.0, 2.0),
        level="clip",
        family="temporal consistency",
        policy="native",
        formula="mean over t of |Y[t+1] - 2 Y[t] + Y[t-1]|, Y[t] the mean Rec. 601 luma of frame t on [0, 1]",
        source="ours",
        sees="brightness of the whole picture that flickers or jumps; cuts",
        blind_to="flicker that is local, or that swaps places and cancels; motion; slow fades; detail; freezing, which "
        "gives 0; more frames per second lower it",
        responses={"noise": "up", "flicker": "up", "reverse": "same", "frozen": "down"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Mean luma of each frame, in levels."""
        return view.brightness

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Luma flicker of one clip."""
        return clip_luma_flicker(measured)
