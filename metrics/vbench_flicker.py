"""Temporal flickering as VBench reports it: of clips that pass its test for stillness only."""

from __future__ import annotations

import numpy as np

from metrics.card import MetricCard
from metrics.flow_metric import FlowMetric
from metrics.functional.vbench_flicker import clip_static, clip_vbench_flicker, ends, unsteady_pairs
from metrics.view import ClipView


class VBenchFlicker(FlowMetric):
    """VBench's temporal flickering score, 1 minus `flicker`, of clips that its static filter lets pass.

    A clip that moves has no value and counts as failed, so use it with prompts for still scenes; the coverage beside
    the mean says how many passed. VBench runs the filter with RAFT, here `flow="raft"`, and keeps the first five static
    clips of each prompt; here all of them count.

    Example:
        >>> import metrics, torch
        >>> flicker = metrics.build("vbench_flicker")
        >>> flicker.update(torch.full((1, 5, 3, 16, 16), 90, dtype=torch.uint8))
        >>> float(flicker.compute())
        1.0
    """

    min_frames = 2
    card = MetricCard(
        name="vbench_flicker",
        version=1,
        title="VBench temporal flickering",
        direction="higher",
        unit="",
        range=(0.0, 1.0),
        level="clip",
        family="temporal consistency",
        policy="native-static-max256-dis",
        formula="1 - mean over t, pixels and RGB channels of |x[t+1] - x[t]|, x on [0, 1]; defined where at most "
        "k = round(2 T / 16) pairs have a mean of the longest 2 % of |flow| above L = 3 min(h, w) / 256 pixels, and "
        "first and last frame, either way, none above 2 k L",
        source="temporal flickering and static filter of VBench, Huang et al., CVPR 2024",
        sees="flicker and noise in scenes that stand still",
        blind_to="anything that moves, for which it is undefined; blur, compression and freezing, which improve it",
        responses={"flicker": "down", "reverse": "same"},
    )

    def measure(self, view: ClipView) -> np.ndarray:
        """Difference of each pair of neighbours, and whether it moves too much for a static clip."""
        view.carried[id(self)] = view.carried[id(self)] if view.start else view.pixels[0].copy()
        return np.stack([view.frame_steps, unsteady_pairs(view.flow(self.estimator))], axis=1)

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """VBench's flickering score of one static clip."""
        steps, unsteady = measured.T
        between_ends = self.estimator(ends(view.carried[id(self)], view.pixels[-1]))
        return clip_vbench_flicker(steps, static=clip_static(unsteady.astype(bool), between_ends))
