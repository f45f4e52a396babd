"""Amount of motion."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.motion import clip_motion_magnitude, mean_motion
from metrics.view import ClipView


class MotionMagnitude(FrameMetric):
    """Mean length of the optical flow, in pixels per step of a clip with short side 256 at 8 frames per second.

    The same scene at twice the size, or at twice the frame rate, has the same value. A clip of unknown frame rate is
    taken to run at 8 frames per second. Neither much nor little motion is better; read it beside `flicker`,
    `warping_error` and `frame_consistency`, all of which a frozen clip wins.

    Example:
        >>> import metrics, torch
        >>> motion = metrics.build("motion_magnitude")
        >>> motion.update(torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8), fps=8)
        >>> float(motion.compute())
        0.0
    """

    min_frames = 2
    card = MetricCard(
        name="motion_magnitude",
        version=1,
        title="Motion magnitude",
        direction="neutral",
        unit="pixels per step at 256 pixels and 8 fps",
        range=(0.0, None),
        level="clip",
        family="temporal consistency",
        policy="max256-dis",
        formula="mean |flow| * 256 / min(h, w) * fps / 8; DIS flow between neighbouring frames, short side at most 256",
        source="flow: Kroeger, Timofte, Dai and Van Gool, ECCV 2016; normalisation ours",
        sees="motion of camera and objects, also jitter",
        blind_to="whether motion is right; areas without texture take on the motion beside them, and steps above about "
        "a tenth of the frame are underestimated",
        responses={"jitter": "up", "shuffle": "up", "reverse": "same", "frozen": "down"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Mean length of the flow of each pair of neighbours, in pixels."""
        return mean_motion(view.forward_flow)

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Motion magnitude of one clip."""
        return clip_motion_magnitude(measured, view.fps, min(view.flow_pixels.shape[1:3]))
