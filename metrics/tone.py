"""How bright frames are, how wide their tones lie apart, and how much of them is at either end."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.tone import clip_clipping, clip_contrast, clip_exposure, clipped_pixels, frame_contrast
from metrics.view import ClipView


class Exposure(FrameMetric):
    """Mean luma of a clip, as a fraction of full scale.

    Neither bright nor dark is better in itself; a shift between two versions of a model on equal prompts tells.

    Example:
        >>> import metrics, torch
        >>> exposure = metrics.build("exposure")
        >>> exposure.update(torch.full((1, 2, 3, 16, 16), 51, dtype=torch.uint8))
        >>> round(float(exposure.compute()), 6)
        0.2
    """

    card = MetricCard(
        name="exposure",
        version=1,
        title="Exposure",
        direction="neutral",
        unit="fraction of full scale",
        range=(0.0, 1.0),
        level="clip",
        family="no-reference quality",
        policy="native",
        formula="mean over t and pixels of .299 R + .587 G + .114 B, on [0, 1]",
        source="luma of ITU-R BT.601",
        sees="clips that are darker or brighter than others",
        blind_to="motion, detail, what is shown; dark and bright parts that balance each other",
        responses={"shuffle": "same", "reverse": "same"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Mean luma of each frame, in levels."""
        return view.brightness

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Exposure of one clip."""
        return clip_exposure(measured)


class Contrast(FrameMetric):
    """Standard deviation of luma within a frame, as a fraction of full scale.

    Fog wants little and a chessboard much, so neither way is better; washed-out or overdone pictures show against
    another version on equal prompts.

    Example:
        >>> import metrics, torch
        >>> clip = torch.zeros(1, 2, 3, 16, 16, dtype=torch.uint8)
        >>> clip[..., 8:] = 255
        >>> contrast = metrics.build("contrast")
        >>> contrast.update(clip)
        >>> round(float(contrast.compute()), 6)
        0.5
    """

    card = MetricCard(
        name="contrast",
        version=1,
        title="Contrast",
        direction="neutral",
        unit="fraction of full scale",
        range=(0.0, 0.5),
        level="clip",
        family="no-reference quality",
        policy="native",
        formula="mean over frames of the standard deviation over pixels of Rec. 601 luma, on [0, 1]",
        source="root mean square contrast: Peli, Journal of the Optical Society of America A 7(10), 1990",
        sees="washed-out and overdone pictures, fades",
        blind_to="where light and dark are, and at which scale; strong noise raises it",
        responses={"blur": "down", "shuffle": "same", "reverse": "same"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Spread of each frame's luma, in levels."""
        return frame_contrast(view.luma)

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Contrast of one clip."""
        return clip_contrast(measured)


class Clipping(FrameMetric):
    """Share of pixels that are as good as black or as good as white.

    Their detail is lost. Black borders, night skies and white studios count as well, so compare on equal prompts and
    beside `black_borders`.

    Example:
        >>> import metrics, torch
        >>> clip = torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8)
        >>> clip[..., 12:] = 255
        >>> clipping = metrics.build("clipping")
        >>> clipping.update(clip)
        >>> float(clipping.compute())
        0.25
    """

    card = MetricCard(
        name="clipping",
        version=1,
        title="Clipped pixels",
        direction="lower",
        unit="fraction of pixels",
        range=(0.0, 1.0),
        level="clip",
        family="no-reference quality",
        policy="native",
        formula="share of pixels with Rec. 601 luma, rounded, of at most 2 or at least 253 of 255",
        source="ours",
        sees="crushed shadows, blown highlights, black borders",
        blind_to="single channels that clip in saturated colours; clipping that was scaled to other levels afterwards; "
        "black or white that the prompt asks for",
        responses={"noise": "up", "shuffle": "same", "reverse": "same"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Number of clipped pixels of each frame."""
        return clipped_pixels(view.luma)

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Clipping of one clip."""
        return clip_clipping(measured, view.luma[0].size)
