"""How much colour frames have."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.colour import frame_colourfulness, frame_saturation
from metrics.view import ClipView


class Saturation(FrameMetric):
    """Mean saturation of a clip's pixels, as in HSV.

    Example:
        >>> import metrics, torch
        >>> clip = torch.full((1, 2, 3, 16, 16), 100, dtype=torch.uint8)
        >>> clip[:, :, 0] = 200
        >>> saturation = metrics.build("saturation")
        >>> saturation.update(clip)
        >>> float(saturation.compute())
        0.5
    """

    card = MetricCard(
        name="saturation",
        version=1,
        title="Saturation",
        direction="neutral",
        unit="",
        range=(0.0, 1.0),
        level="clip",
        family="no-reference quality",
        policy="native",
        formula="mean over t and pixels of (max - min) / max of R, G and B, 0 for black",
        source="the S of HSV: Smith, SIGGRAPH 1978",
        sees="grey or garish pictures",
        blind_to="which colours, and how many; dark pixels count like bright ones, so that noise in shadows raises it",
        responses={"shuffle": "same", "reverse": "same"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Saturation of each frame."""
        return frame_saturation(view.pixels)


class Colourfulness(FrameMetric):
    """How colourful people find a picture, by a formula fitted to their judgements; about 0 for grey, 100 for very.

    Colourful is not good: a desert is not, a market is. A drift between versions on equal prompts tells, and a fall
    against a reference.

    Example:
        >>> import metrics, torch
        >>> colourfulness = metrics.build("colourfulness")
        >>> colourfulness.update(torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8))
        >>> float(colourfulness.compute())
        0.0
    """

    card = MetricCard(
        name="colourfulness",
        version=1,
        title="Colourfulness",
        direction="neutral",
        unit="levels of 255",
        range=(0.0, None),
        level="clip",
        family="no-reference quality",
        policy="native",
        formula="mean over frames of sqrt(sd(rg)^2 + sd(yb)^2) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2); rg = R - G, "
        "yb = (R + G) / 2 - B in levels of 255",
        source="Hasler and Suesstrunk, SPIE 5007, Human Vision and Electronic Imaging VIII, 2003",
        sees="faded, grey or oversaturated colour",
        blind_to="whether colours are right or pleasant; detail; motion; strong colour noise raises it",
        responses={"blur": "down", "shuffle": "same", "reverse": "same"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Colourfulness of each frame."""
        return frame_colourfulness(view.pixels)
