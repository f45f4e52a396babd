"""How well a frame is predicted by its two neighbours."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.smoothness import clip_interpolation_smoothness, frame_curvature
from metrics.view import ClipView


class InterpolationSmoothness(FrameMetric):
    """1 minus the mean absolute difference between each inner frame and the average of its two neighbours.

    A stand-in without weights for VBench's motion smoothness, in which a trained network (AMT-S) predicts the frame
    between: a network follows motion, and an average does not. Here fast motion that is perfectly smooth costs as well,
    so that values are not VBench's, nor comparable between prompts with different motion. Read it beside
    `motion_magnitude`.

    Example:
        >>> import metrics, torch
        >>> clip = torch.zeros(1, 3, 3, 16, 16, dtype=torch.uint8)
        >>> clip[:, 1] = 51
        >>> smoothness = metrics.build("interpolation_smoothness")
        >>> smoothness.update(clip)
        >>> round(float(smoothness.compute()), 6)
        0.8
    """

    min_frames = 3
    card = MetricCard(
        name="interpolation_smoothness",
        version=1,
        title="Interpolation smoothness",
        direction="higher",
        unit="",
        range=(0.0, 1.0),
        level="clip",
        family="temporal consistency",
        policy="native",
        formula="1 - mean over inner t, pixels and RGB channels of |x[t] - (x[t-1] + x[t+1]) / 2|, x on [0, 1]",
        source="form: motion smoothness of VBench, Huang et al., CVPR 2024; an average in place of its network AMT-S",
        sees="jitter, stutter, dropped or shuffled frames, flicker and noise that change from frame to frame",
        blind_to="blur, compression and freezing, which improve it; the direction of time; fast smooth motion lowers "
        "it, which VBench's network would follow",
        responses={
            "noise": "down",
            "blur": "up",
            "flicker": "down",
            "jitter": "down",
            "shuffle": "down",
            "reverse": "same",
            "frozen": "up",
        },
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """How far each frame but the first and the last is from the middle of its neighbours, in levels."""
        frames = [*(view.carried[id(self)] if view.start else ()), *view.pixels]
        view.carried[id(self)] = [frame.copy() for frame in frames[-2:]]
        return frame_curvature(frames)

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Interpolation smoothness of one clip."""
        return clip_interpolation_smoothness(measured, view.pixels[0].size)
