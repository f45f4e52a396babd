"""Frames that repeat the one before."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.repetition import clip_duplicate_ratio, clip_freeze_length
from metrics.view import ClipView


class DuplicateRatio(FrameMetric):
    """Share of frames that repeat the one before, to within half a level of 255 on average.

    What `flicker`, `warping_error` and `frame_consistency` reward most is a clip that stands still; this tells such
    clips apart. A scene in which nothing should move is rightly still, but a picture that repeats exactly is a picture.

    Example:
        >>> import metrics, torch
        >>> ratio = metrics.build("duplicate_ratio")
        >>> ratio.update(torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8))
        >>> float(ratio.compute())
        1.0
    """

    min_frames = 2
    card = MetricCard(
        name="duplicate_ratio",
        version=1,
        title="Duplicate frames",
        direction="lower",
        unit="fraction of frame pairs",
        range=(0.0, 1.0),
        level="clip",
        family="temporal consistency",
        policy="native",
        formula="share of t with mean over pixels and RGB channels of |x[t+1] - x[t]| < 0.5 / 255, x on [0, 1]",
        source="ours",
        sees="frozen clips, frames held or doubled to reach a length or a frame rate",
        blind_to="motion too small or too slow to change half a level on average, which counts as none; repeats under "
        "noise; loops that do not repeat at once; prompts for still scenes, which raise it rightly",
        responses={"reverse": "same", "frozen": "up"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Mean absolute difference of each pair of neighbours."""
        return view.frame_steps

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Duplicate ratio of one clip."""
        return clip_duplicate_ratio(measured)


class FreezeLength(FrameMetric):
    """Most frames in a row that each repeat the one before: how long a clip stands still at a stretch.

    Frames doubled all over a clip give a high `duplicate_ratio` and a short freeze; one that stops half-way has both.

    Example:
        >>> import metrics, torch
        >>> freeze = metrics.build("freeze_length")
        >>> freeze.update(torch.full((1, 5, 3, 16, 16), 90, dtype=torch.uint8))
        >>> float(freeze.compute())
        4.0
    """

    min_frames = 2
    card = MetricCard(
        name="freeze_length",
        version=1,
        title="Longest freeze",
        direction="lower",
        unit="frames",
        range=(0.0, None),
        level="clip",
        family="temporal consistency",
        policy="native",
        formula="longest run of t with mean over pixels and RGB channels of |x[t+1] - x[t]| < 0.5 / 255, x on [0, 1]",
        source="ours",
        sees="clips that stop, at the start, on the way or at the end",
        blind_to="what `duplicate_ratio` is blind to; time in seconds: compare at equal length and frame rate",
        responses={"reverse": "same", "frozen": "up"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Mean absolute difference of each pair of neighbours."""
        return view.frame_steps

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Freeze length of one clip."""
        return clip_freeze_length(measured)
