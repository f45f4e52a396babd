"""Which metrics a run is scored with, and under which ids: checked before any work is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stepbench.errors import StepbenchError, UsageError
from stepbench.records import Prompt
from stepbench.runs.applied_metric import apply_metric, with_companions


@dataclass(frozen=True, kw_only=True)
class ChosenMetric:
    """A metric as it is applied in one run.

    Attributes:
        name: The card's name.
        built_as: Registry name that it is built by, such as `fvd` for `fvd_i3d`.
        metric_id: The card's id, followed by the reference set where there is one: scores against different
            references are different metrics.
        card: The metric's card as a dict, for `run.json`; with the `options` that were asked for; of a set metric
            with its `feature_id`, and whether it is `paired`; with the reason as `unavailable` where there is one.
        options: What the metric is built with.
        unavailable: Why it cannot be computed here, and the command that changes that; empty where it can.
    """

    name: str
    built_as: str
    metric_id: str
    card: dict[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    unavailable: str = ""

    @property
    def feature_id(self) -> str:
        """The features that a set metric is computed from; empty for one with a value per clip."""
        return self.card.get("feature_id", "")


def choose_metrics(
    names: Sequence[str] | None, prompts: Sequence[Prompt], *, reference_hash: str | None = None
) -> list[ChosenMetric]:
    """The metrics to score with; None takes the offline set, and what the prompts' ground truth allows beside it.

    A metric whose weights are not on this machine is chosen all the same: its rows will say `unavailable`, and why.

    Args:
        names: Registry names, in hyphen or underscore spelling, with options in brackets where wanted. `offline`
            stands for the default set.
        reference_hash: Hash of the reference run's clips, where there is one.

    Raises:
        UsageError: An unknown name or option, or a metric whose needs are not met.
    """
    from metrics.errors import MetricError
    from metrics.registry import OFFLINE

    default = [*OFFLINE, *(["shape_alignment"] if _shows_moving_shapes(prompts) else [])]
    wanted = default if names is None else [one for name in names for one in (default if name == "offline" else [name])]
    chosen: dict[str, ChosenMetric] = {}
    try:
        applied = [apply_metric(name, prompts) for name in with_companions(wanted, prompts)]
    except MetricError as error:
        raise UsageError(error.message, hint=error.hint or "`stepbench list metrics` shows them") from error
    for metric in applied:
        card = metric.card
        _check_needs(card, prompts, reference_hash)
        suffix = f":ref-{reference_hash[:8]}" if reference_hash and "reference" in card.needs else ""
        told = {"unavailable": metric.unavailable} if metric.unavailable else {}
        told |= {"options": dict(metric.asked)} if metric.asked else {}
        chosen[card.id + suffix] = ChosenMetric(
            name=card.name,
            built_as=metric.name,
            metric_id=card.id + suffix,
            card=card.to_dict() | dict(metric.features) | told,
            options=metric.options,
            unavailable=metric.unavailable,
        )
    return list(chosen.values())


def _check_needs(card: Any, prompts: Sequence[Prompt], reference_hash: str | None) -> None:
    if "reference" in card.needs and reference_hash is None:
        what = "a reference clip per sample" if card.level == "clip" else "a reference set"
        raise UsageError(f"metric {card.name!r} needs {what}", hint="add --reference RUN")
    if "ground_truth" in card.needs:
        without = next((prompt.id for prompt in prompts if prompt.ground_truth is None), None)
        if without is not None:
            raise UsageError(
                f"metric {card.name!r} needs ground truth, and prompt {without!r} has none",
                hint="leave the metric out, or take a suite with ground truth such as moving-shapes",
            )


def _shows_moving_shapes(prompts: Sequence[Prompt]) -> bool:
    from stepbench.worlds.moving_shapes.scene import Scene

    truth = prompts[0].ground_truth
    if truth is None:
        return False
    try:
        Scene.from_json(truth)
    except StepbenchError:
        return False
    return True
