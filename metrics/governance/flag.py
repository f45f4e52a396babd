"""What all flags have in common: 1 or 0 per clip, and a note that says why."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from metrics.base import ClipMetric
from metrics.card import MetricCard
from metrics.view import ClipView


class ReviewFlag(ClipMetric):
    """1 where a clip is for a person to look at; the mean over clips is the share of them."""

    @abstractmethod
    def reason(self, view: ClipView) -> str:
        """Why the clip is flagged, or an empty string."""

    def score(self, view: ClipView) -> float:
        """1 where there is a reason, else 0."""
        return float(bool(self._reason(view)))

    def note(self, view: ClipView) -> str:
        """The reason."""
        return self._reason(view)

    def _reason(self, view: ClipView) -> str:
        return view.once(("flag", self.card.id), lambda: self.reason(view))


def flag_card(name: str, title: str, **fields: Any) -> MetricCard:
    """A card with what is the same for all flags."""
    return MetricCard(
        name=name,
        version=1,
        title=title,
        direction="lower",
        unit="flag",
        range=(0.0, 1.0),
        level="clip",
        family="governance",
        **fields,
    )
