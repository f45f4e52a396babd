"""Sharpness without a reference."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.sharpness import frame_sharpness
from metrics.view import ClipView


class Sharpness(FrameMetric):
    """Variance of the Laplacian of luma, in squared 8-bit levels.

    A measure of detail: it falls with blur, and rises with noise and blocking just as it does with true texture, so
    read it beside `noise_level`. It depends on content and on frame size, so compare generators on equal prompts and at
    equal size.

    Example:
        >>> import metrics, torch
        >>> sharpness = metrics.build("sharpness")
        >>> sharpness.update(torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8))
        >>> float(sharpness.compute())
        0.0
    """

    card = MetricCard(
        name="sharpness",
        version=1,
        title="Sharpness",
        direction="higher",
        unit="squared levels",
        range=(0.0, None),
        level="clip",
        family="no-reference quality",
        policy="native",
        formula="mean over frames of the variance of the 4-neighbour Laplacian of Rec. 601 luma, levels 0 to 255",
        source="Pech-Pacheco, Cristobal, Chamorro-Martinez and Fernandez-Valdivia, ICPR 2000",
        sees="blur: defocus, motion blur, over-smoothing decoders",
        blind_to="whether detail is texture or noise and blocking, which raise it; time",
        responses={"noise": "up", "blur": "down", "shuffle": "same", "reverse": "same"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Sharpness of each frame."""
        return frame_sharpness(view.luma)
