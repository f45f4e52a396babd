"""The base of clip metrics that see a clip part by part: frames are measured, and measurements summed up at the end."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from metrics.base import ClipMetric
from metrics.view import ClipView


class FrameMetric(ClipMetric):
    """A clip metric whose value follows from a few numbers per frame, or per pair of neighbouring frames.

    A subclass writes `measure`, and `summarise` where the value is not the mean. Scoring a run then never holds more
    than a part of a clip. The value must not depend on where the clip is divided.
    """

    @abstractmethod
    def measure(self, view: ClipView) -> np.ndarray:
        """Numbers of the frames of a view, or of its pairs of neighbours, one below the other.

        The pairs of a view are those of `view.linked_pixels`: the first begins with the last frame of the part before.
        What else is needed of earlier parts a metric keeps in `view.carried[id(self)]`, which is to be set anew where
        `view.start` is 0. Every part has a pair, unless the clip has a single frame.
        """

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """The value of a clip from the measurements of all its parts, in order; here their mean.

        Args:
            measured: Joined along the first axis.
            view: The clip's last part, or the clip where it is in one part.
        """
        return float(measured.mean())

    def frames_at_once(self, height: int, width: int) -> int | None:
        """How many frames `measure` sees at a time, fewer only at the end; None where it does not matter.

        A network rounds by the size of its batches, so a metric with a network gets equal ones, without pairs.
        """
        return None

    def score(self, view: ClipView) -> float:
        """The value of a clip in one part."""
        return self.summarise(self.measure(view), view)
