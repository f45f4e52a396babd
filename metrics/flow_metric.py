"""The base of clip metrics that can be computed on the optical flow of either of two estimators."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

from metrics.errors import MetricError
from metrics.frame_metric import FrameMetric
from metrics.functional.flow import FlowEstimator, dis_flow

FlowName = Literal["dis", "raft"]

DIS_POLICY = "max256-dis"
"""How cards say that flow is that of DIS; RAFT's own policy takes its place."""


class FlowMetric(FrameMetric):
    """A clip metric on optical flow: of DIS, which needs no weights, or of RAFT, whose card has another id.

    Args:
        flow: `dis` or `raft`, which runs on the metric's device.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        MetricError: No flow has this name.
        UnavailableMetricError: RAFT's weights, or torchvision, are not on this machine.
    """

    def __init__(self, flow: FlowName = "dis", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if flow not in get_args(FlowName):
            raise MetricError(f"flow must be one of {', '.join(get_args(FlowName))}, got {flow!r}")
        self.flow: FlowName = flow
        if flow == "raft":
            from metrics.backbones.raft import load_raft

            raft = load_raft()
            self.card = dataclasses.replace(
                self.card,
                backbone=raft.name,
                weights_hash=raft.weights_hash,
                policy=self.card.policy.replace(DIS_POLICY, raft.policy),
            )

    @property
    def estimator(self) -> FlowEstimator:
        """What computes the flow; a network is shared by all metrics of this process."""
        if self.flow == "dis":
            return dis_flow
        from metrics.backbones.raft import load_raft

        return load_raft(self.device)
