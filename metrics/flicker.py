"""Change between neighbouring frames."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.view import ClipView


class Flicker(FrameMetric):
    """Mean absolute difference of neighbouring frames, as a fraction of full scale.

    1 minus this value is VBench's temporal flickering score on the same frames (VBench applies it to clips that pass a
    test for stillness). Motion counts as flicker, and blur, compression and freezing lower it: never rank by this value
    alone, but beside `motion_magnitude`, `duplicate_ratio` and `sharpness`. More frames per second lower it too.

    Example:
        >>> import metrics, torch
        >>> clip = torch.zeros(1, 2, 3, 16, 16, dtype=torch.uint8)
        >>> clip[:, 1] = 51
        >>> flicker = metrics.build("flicker")
        >>> flicker.update(clip)
        >>> round(float(flicker.compute()), 6)
        0.2
    """

    min_frames = 2
    card = MetricCard(
        name="flicker",
        version=1,
        title="Flicker",
        direction="lower",
        unit="fraction of full scale",
        range=(0.0, 1.0),
        level="clip",
        family="temporal consistency",
        policy="native",
        formula="mean over t, pixels and RGB channels of |x[t+1] - x[t]|, x on [0, 1]",
        source="1 - temporal flickering of VBench, Huang et al., CVPR 2024",
        sees="brightness flicker, noise that changes from frame to frame, motion, cuts",
        blind_to="blur, compression and freezing, which improve it; the direction of time",
        responses={
            "noise": "up",
            "blur": "down",
            "flicker": "up",
            "jitter": "up",
            "shuffle": "up",
            "reverse": "same",
            "frozen": "down",
        },
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Mean absolute difference of each pair of neighbours."""
        return view.frame_steps
