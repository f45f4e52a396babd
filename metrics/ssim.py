"""Structural similarity to a reference clip."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.ssim import frame_ssim
from metrics.view import ClipView


class SSIM(FrameMetric):
    """How alike a clip and its reference are in local brightness, contrast and structure.

    The definition of Wang et al. (2004), per RGB channel, over windows that lie inside the frame; mean over channels,
    frames and clips. It equals scikit-image with `gaussian_weights=True, use_sample_covariance=False` and differs from
    torchmetrics, which pads the border.

    Example:
        >>> import metrics, torch
        >>> clip = torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8)
        >>> ssim = metrics.build("ssim")
        >>> ssim.update(clip, clip)
        >>> float(ssim.compute())
        1.0
    """

    card = MetricCard(
        name="ssim",
        version=1,
        title="SSIM",
        direction="higher",
        unit="",
        range=(-1.0, 1.0),
        level="clip",
        needs=("reference",),
        family="reconstruction",
        policy="native",
        formula="mean SSIM map; 11 x 11 Gaussian of sigma 1.5, K1 0.01, K2 0.03, range 1, valid region, RGB channels",
        source="Wang, Bovik, Sheikh and Simoncelli, IEEE Transactions on Image Processing 13(4), 2004",
        sees="lost or added local structure: blur, noise, blocking",
        blind_to="time: frames are compared one by one; small shifts of brightness; anything outside the reference",
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
        """SSIM of each frame."""
        return frame_ssim(view.pixels, view.reference_pixels)
