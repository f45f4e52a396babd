"""Peak signal-to-noise ratio against a reference clip."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.psnr import PSNR_CAP, frame_psnr
from metrics.view import ClipView


class PSNR(FrameMetric):
    """How far a clip's pixels are from its reference, in dB.

    10 log10(1 / MSE) per frame on [0, 1], over pixels and RGB channels; a frame equal to its reference counts as
    100 dB; mean over frames, then over clips. `metrics.functional.capped_frames` counts the frames that hit the cap.

    Example:
        >>> import metrics, torch
        >>> clip = torch.zeros(1, 2, 3, 16, 16, dtype=torch.uint8)
        >>> psnr = metrics.build("psnr")
        >>> psnr.update(clip + 255, clip)
        >>> float(psnr.compute())
        0.0
    """

    card = MetricCard(
        name="psnr",
        version=1,
        title="PSNR",
        direction="higher",
        unit="dB",
        range=(0.0, PSNR_CAP),
        level="clip",
        needs=("reference",),
        family="reconstruction",
        policy="native",
        formula="mean over frames of min(100, 10 log10(1 / MSE)), MSE over pixels and RGB channels on [0, 1]",
        source="mean squared error on a logarithmic scale; cap and order of means are ours",
        sees="any difference from the reference, wherever it lies",
        blind_to="whether a difference is visible; a shift by one pixel costs more than an ugly blur",
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
        """PSNR of each frame in dB."""
        return frame_psnr(view.pixels, view.reference_pixels)
