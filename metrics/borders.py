"""Black bars around the picture."""

from __future__ import annotations

from metrics.base import ClipMetric
from metrics.card import MetricCard
from metrics.functional.borders import clip_black_borders
from metrics.view import ClipView


class BlackBorders(ClipMetric):
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

    def score(self, view: ClipView) -> float:
        """Black borders of one clip."""
        return clip_black_borders(view.luma)
