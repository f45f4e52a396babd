"""Structural similarity to a reference clip over several scales."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.ms_ssim import frame_ms_ssim
from metrics.view import ClipView


class MSSSIM(FrameMetric):
    """How alike a clip and its reference are at five scales, from native size down to a sixteenth.

    The definition and weights of Wang et al. (2003), per RGB channel, over windows that lie inside the frame; mean over
    channels, frames and clips. Coarse scales weigh most, so that fine noise and blur cost less than in `ssim`, and
    misplaced or deformed content costs more. Frames below 176 x 176 pixels have no fifth scale and are refused.

    Example:
        >>> import metrics, torch
        >>> clip = torch.full((1, 2, 3, 176, 176), 90, dtype=torch.uint8)
        >>> ms_ssim = metrics.build("ms-ssim")
        >>> ms_ssim.update(clip, clip)
        >>> float(ms_ssim.compute())
        1.0
    """

    card = MetricCard(
        name="ms_ssim",
        version=1,
        title="MS-SSIM",
        direction="higher",
        unit="",
        range=(0.0, 1.0),
        level="clip",
        needs=("reference",),
        family="reconstruction",
        policy="native",
        formula="product over 5 scales of max(0, mean contrast-structure)^w, SSIM in its place at the coarsest; "
        "w 0.0448 0.2856 0.3001 0.2363 0.1333; 2 x 2 means between scales; window, constants and region of ssim; RGB",
        source="Wang, Simoncelli and Bovik, Asilomar Conference on Signals, Systems and Computers, 2003",
        sees="lost, added or deformed structure of any size",
        blind_to="time: frames are compared one by one; faint noise and blur at the finest scale; brightness, which "
        "counts at the coarsest scale only; anything outside the reference",
        responses={
            "noise": "down",
            "blur": "down",
            "compression": "down",
            "flicker": "down",
            "jitter": "down",
            "shuffle": "down",
            "reverse": "down",
            "frozen": "down",
        },
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """MS-SSIM of each frame."""
        return frame_ms_ssim(view.pixels, view.reference_pixels)
