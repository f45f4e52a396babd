"""The metric `shape_alignment`: how much of a ground truth of the moving-shapes world a clip shows."""

from __future__ import annotations

from metrics.base import ClipMetric
from metrics.card import MetricCard
from metrics.errors import MetricError
from metrics.view import ClipView
from stepbench.errors import StepbenchError
from stepbench.worlds.moving_shapes.checker import check_clip


class ShapeAlignment(ClipMetric):
    """Share of the attributes of a ground truth that are right in the clip; `details` tells which."""

    card = MetricCard(
        name="shape_alignment",
        version=1,
        title="Shape alignment",
        direction="higher",
        unit="",
        range=(0.0, 1.0),
        level="clip",
        needs=("ground_truth",),
        family="prompt alignment",
        policy="native",
        formula="attributes that are right / attributes that the ground truth names",
        source="stepbench, moving-shapes world; classical image measurement, no learned model",
        sees="colour, shape, size, direction, speed, background; where named count, relation, pattern, clutter, camera",
        blind_to="picture quality, as long as shapes can be told apart; anything that the ground truth does not name",
        responses={
            "noise": "same",
            "compression": "same",
            "shuffle": "down",
            "reverse": "down",
            "frozen": "down",
            "wrong-prompt": "down",
        },
    )

    def score(self, view: ClipView) -> float:
        """Mean over attributes of right (1) and wrong (0); what is not found is wrong."""
        answers = self.details(view)
        return sum(answers.values()) / len(answers)

    @staticmethod
    def details(view: ClipView) -> dict[str, bool]:
        """Attribute -> right or wrong.

        Raises:
            MetricError: The ground truth is none of the moving-shapes world, or the clip is smaller than 32 pixels.
        """
        try:
            return check_clip(view.frames.cpu().numpy(), view.ground_truth or {})
        except StepbenchError as error:
            raise MetricError(error.message, hint=error.hint) from error
