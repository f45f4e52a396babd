"""Black bars around the picture."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.borders import clip_black_borders, lit_lines
from metrics.view import ClipView


class BlackBorders(FrameMetric):
    """Share of the frame that is black bars: letterbox, pillarbox, or both.

    Example:
        >>> import metrics, torch
        >>> clip = torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8)
        >>> clip[..., :2, :] = 0
        >>> borders = metrics.build("black_borders")
        >>> borders.update(clip)
        >>> float(borders.compute())
        0.125
    """

    card = MetricCard(
        name="black_borders",
        version=1,
        title="Black borders",
        direction="lower",
        unit="fraction of the frame",
        range=(0.0, 1.0),
        level="clip",
        family="no-reference quality",
        policy="native",
        formula="1 - area / (h w) of the smallest rectangle that holds every pixel with Rec. 601 luma, rounded, of 16 "
        "of 255 or more in any frame",
        source="ours",
        sees="letterbox and pillarbox, padding that was never cut away, clips that are black throughout",
        blind_to="bars of another colour, bars with a logo or subtitle in them, bars in some frames only; dark scenes "
        "whose edges stay black have them too",
        responses={"shuffle": "same", "reverse": "same"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Which rows and columns are lit in any of the frames."""
        return lit_lines(view.luma)

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Black borders of one clip."""
        return clip_black_borders(measured, view.frames.shape[-2])
