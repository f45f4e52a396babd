"""Amount of noise without a reference."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.noise import clip_noise_level, frame_noise
from metrics.view import ClipView


class NoiseLevel(FrameMetric):
    """Estimated standard deviation of the noise in luma, in levels of 255.

    Exact for white noise on smooth content. Texture as fine as two pixels is taken for noise, so that a clip that is
    smoothed over always wins: read it beside `sharpness`, whose rise it explains where the two rise together.

    Example:
        >>> import metrics, torch
        >>> noise = metrics.build("noise_level")
        >>> noise.update(torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8))
        >>> float(noise.compute())
        0.0
    """

    card = MetricCard(
        name="noise_level",
        version=1,
        title="Noise level",
        direction="lower",
        unit="levels of 255",
        range=(0.0, None),
        level="clip",
        family="no-reference quality",
        policy="native",
        formula="mean over frames of median |Y * N| / 6 / 0.6745; Y Rec. 601 luma, N = (1, -2, 1) x (1, -2, 1)",
        source="kernel: Immerkaer, Computer Vision and Image Understanding 64(2), 1996; median instead of mean: ours",
        sees="grain and noise in every pixel",
        blind_to="whether fine texture is noise, which raises it; blur and over-smoothing, which improve it; coarse, "
        "clustered or colour-only noise; noise below the rounding to levels, or on less than half of the frame",
        responses={"noise": "up", "shuffle": "same", "reverse": "same"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Noise of each frame, not scaled."""
        return frame_noise(view.luma)

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Noise level of one clip."""
        return clip_noise_level(measured)
