"""Cuts from one scene to another."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.cuts import clip_scene_cuts, histogram_steps
from metrics.view import ClipView


class SceneCuts(FrameMetric):
    """How often the colours of a clip change at once, as they do at a cut.

    Prompts mostly ask for one continuous shot, so a cut is a defect unless the prompt wants it.

    Example:
        >>> import metrics, torch
        >>> clip = torch.zeros(1, 4, 3, 16, 16, dtype=torch.uint8)
        >>> clip[:, 2:] = 200
        >>> cuts = metrics.build("scene_cuts")
        >>> cuts.update(clip)
        >>> float(cuts.compute())
        1.0
    """

    min_frames = 2
    card = MetricCard(
        name="scene_cuts",
        version=1,
        title="Scene cuts",
        direction="lower",
        unit="cuts",
        range=(0.0, None),
        level="clip",
        family="temporal consistency",
        policy="native",
        formula="number of t with sum (a - b)^2 / (a + b) / 2 > 0.16, averaged over RGB; a, b the 32-bin histograms of "
        "frames t and t + 1, each level shared by the bins within 32 levels, in linear decline",
        source="form: Nagasaka and Tanaka, Visual Database Systems II, 1992; sharing of levels and threshold ours",
        sees="cuts, flashes of light, frames that do not belong, which count twice",
        blind_to="cuts between scenes of like colours, dissolves, and where things are; a sudden change of exposure "
        "is a cut, on flat pictures from about a tenth, on photographs from about a fifth; prompts that ask for cuts",
        responses={"reverse": "same"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Distances of neighbouring histograms."""
        return histogram_steps(view.linked_pixels)

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Scene cuts of one clip."""
        return clip_scene_cuts(measured)
