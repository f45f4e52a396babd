"""How much the frames of a clip resemble one another."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.functional.consistency import frame_descriptors, similarities
from metrics.view import ClipView


class FrameConsistency(FrameMetric):
    """Cosine similarity of each frame's colour layout to its neighbour's and to the first frame's.

    The weight-free sibling of consistency by CLIP or DINO features: frames are described by 8 x 8 cells of mean colour
    (see `metrics.functional.consistency`). It sees that a scene stays in place, not that a face stays the same face.
    On synthetic textures and shapes: 1 for stills, 0.95 for slow and 0.7 for fast motion, 0.7 for shuffled and 0.3 to
    0.5 for unrelated frames. Since motion lowers it, compare on equal prompts and beside `motion_magnitude`.

    Example:
        >>> import metrics, torch
        >>> consistency = metrics.build("frame_consistency")
        >>> consistency.update(torch.full((1, 2, 3, 16, 16), 90, dtype=torch.uint8))
        >>> round(float(consistency.compute()), 6)
        1.0
    """

    min_frames = 2
    card = MetricCard(
        name="frame_consistency",
        version=1,
        title="Frame consistency",
        direction="higher",
        unit="",
        range=(-1.0, 1.0),
        level="clip",
        family="temporal consistency",
        policy="area-8x8",
        formula="mean over t >= 2 of (cos(d[t], d[t-1]) + cos(d[t], d[1])) / 2; d = 8 x 8 colour layout and mean "
        "colour, each centred, scaled to unit length and weighted alike",
        source="form: subject consistency of VBench, Huang et al., CVPR 2024; descriptor ours",
        sees="cuts, drifting colour, dropped or shuffled frames, content that deforms",
        blind_to="anything finer than an eighth of the frame, such as identity, texture and noise; honest motion "
        "lowers it, so a frozen clip wins",
        responses={"flicker": "down", "jitter": "down", "shuffle": "down", "reverse": "same", "frozen": "up"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """How alike each frame is to its neighbour and to the first frame of the clip."""
        descriptors = frame_descriptors(view.pixels)
        first, last = view.carried[id(self)] if view.start else (descriptors[0], None)
        view.carried[id(self)] = first, descriptors[-1:]
        return similarities(descriptors if last is None else np.concatenate([last, descriptors]), first)
