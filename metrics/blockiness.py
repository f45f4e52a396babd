"""Edges that a block-based codec leaves at the borders of its blocks."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.blockiness import frame_blockiness
from metrics.view import ClipView


class Blockiness(FrameMetric):
    """How much steeper luma is across the borders of 8 x 8 blocks than elsewhere; 1 where no grid can be seen.

    Example:
        >>> import metrics, torch
        >>> blockiness = metrics.build("blockiness")
        >>> blockiness.update(torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8))
        >>> float(blockiness.compute())
        1.0
    """

    card = MetricCard(
        name="blockiness",
        version=1,
        title="Blockiness",
        direction="lower",
        unit="",
        range=(0.0, None),
        level="clip",
        family="no-reference quality",
        policy="native",
        formula="mean over frames of (mean |dY| across borders of 8 x 8 blocks + 0.1) / (mean |dY| elsewhere + 0.1), "
        "dY between horizontal and vertical neighbours in levels of 255",
        source="ours; without a model of vision, as in many measures of blocking",
        sees="JPEG, MPEG and H.264 blocks, and patch borders of models, on a grid of 8, 16 or 32 pixels",
        blind_to="blocks once a clip was resized or cropped, and those that a deblocking filter smoothed; blocks of "
        "other sizes; on small frames, content that happens to lie on the grid moves it",
        responses={"shuffle": "same", "reverse": "same"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Blockiness of each frame."""
        return frame_blockiness(view.luma)
