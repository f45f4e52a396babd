"""Whether a clip moves, by the rule of VBench."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.flow_metric import FlowMetric
from metrics.functional.dynamic_degree import check_sampled, clip_dynamic_degree, moving_pairs, sampling_step
from metrics.view import ClipView


class DynamicDegree(FlowMetric):
    """1 for a clip that moves, 0 for one that does not; over clips, the share that moves.

    The rule and thresholds of VBench's dynamic degree. VBench runs RAFT with the weights raft-things at native size;
    the default here is DIS at a short side of at most 256, and `flow="raft"` takes torchvision's RAFT with weights that
    were trained further, so that either can decide a close case otherwise. Much motion is not good motion:
    `motion_magnitude` says how much, `warping_error` how clean.

    Example:
        >>> import metrics, torch
        >>> dynamic = metrics.build("dynamic_degree")
        >>> dynamic.update(torch.full((1, 4, 3, 16, 16), 90, dtype=torch.uint8), fps=8)
        >>> float(dynamic.compute())
        0.0
    """

    min_frames = 2
    card = MetricCard(
        name="dynamic_degree",
        version=1,
        title="Dynamic degree",
        direction="neutral",
        unit="fraction of clips",
        range=(0.0, 1.0),
        level="clip",
        family="temporal consistency",
        policy="8fps-max256-dis",
        formula="1 if at least max(1, round(4 N / 16)) pairs of N frames at about 8 fps have a mean of the longest 5 % "
        "of |flow| above 6 min(h, w) / 256 max(1, 8 / fps) pixels, else 0; flow as the policy says",
        source="dynamic degree of VBench, Huang et al., CVPR 2024; its count of none at N = 2 is raised to one",
        sees="whether something moves, be it a twentieth of the frame",
        blind_to="whether motion is right: jitter, noise, boiling texture and cuts count as motion; how much there is "
        "beyond the threshold",
        responses={"shuffle": "up", "frozen": "down"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Which pairs of sampled frames move."""
        step = sampling_step(view.fps)
        if step == 1:
            return moving_pairs(view.flow(self.estimator), view.fps)
        sampled = view.pixels[-view.start % step :: step]
        if view.start:
            sampled = np.concatenate([view.carried[id(self)], sampled])
        view.carried[id(self)] = sampled[-1:].copy()
        return moving_pairs(self.estimator(sampled), view.fps) if len(sampled) > 1 else np.zeros(0, dtype=bool)

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """Dynamic degree of one clip: 0 or 1."""
        check_sampled(view.start + len(view.frames), sampling_step(view.fps))
        return clip_dynamic_degree(measured)
