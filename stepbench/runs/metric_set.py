"""Which metrics a run is scored with, and under which ids: checked before any work is done."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stepbench.errors import StepbenchError, UsageError
from stepbench.records import Prompt

_SAFE_FEATURES = re.compile(r"[a-z0-9][a-z0-9._:-]{0,199}")


@dataclass(frozen=True, kw_only=True)
class ChosenMetric:
    """A metric as it is applied in one run.

    Attributes:
        name: Registry name.
        metric_id: The card's id, followed by the reference set where there is one: scores against different
            references are different metrics.
        card: The metric's card as a dict, for `run.json`; of a set metric with its `feature_id`, and whether it is
            `paired`.
    """

    name: str
    metric_id: str
    card: dict[str, Any]

    @property
    def feature_id(self) -> str:
        """The features that a set metric is computed from; empty for one with a value per clip."""
        return self.card.get("feature_id", "")


def choose_metrics(
    names: Sequence[str] | None, prompts: Sequence[Prompt], *, reference_hash: str | None = None
) -> list[ChosenMetric]:
    """The metrics to score with; None takes the offline set, and what the prompts' ground truth allows beside it.

    Args:
        names: Registry names, in hyphen or underscore spelling. `offline` stands for the default set.
        reference_hash: Hash of the reference run's clips, where there is one.

    Raises:
        UsageError: An unknown or repeated name, or a metric whose needs are not met.
    """
    from metrics.errors import MetricError
    from metrics.registry import OFFLINE

    default = [*OFFLINE, *(["shape_alignment"] if _shows_moving_shapes(prompts) else [])]
    wanted = default if names is None else [one for name in names for one in (default if name == "offline" else [name])]
    chosen: dict[str, ChosenMetric] = {}
    for name in wanted:
        try:
            card, of_set = _card_and_features(name)
        except MetricError as error:
            raise UsageError(str(error), hint="`stepbench list metrics` shows them") from error
        _check_needs(card, prompts, reference_hash)
        suffix = f":ref-{reference_hash[:8]}" if reference_hash and "reference" in card.needs else ""
        chosen[card.name] = ChosenMetric(name=card.name, metric_id=card.id + suffix, card=card.to_dict() | of_set)
    return list(chosen.values())


def _card_and_features(name: str) -> tuple[Any, dict[str, Any]]:
    """The card, and for a set metric the id of the features it is computed from and whether these come in pairs."""
    from metrics.registry import build, describe, find

    if not hasattr(find(name).load(), "distance_for"):
        card = describe(name)
        if card.level == "set":
            raise UsageError(
                f"no run can be scored with metric {name!r}: it gives one value per set and has no `distance_for`",
                hint="derive it from metrics.set_metric.SetMetric",
            )
        return card, {}
    metric = build(name)
    if not _SAFE_FEATURES.fullmatch(metric.feature_id):
        raise UsageError(
            f"metric {name!r}: its features are called {metric.feature_id!r}, which cannot be a folder's name",
            hint="give the backbone a name and a policy of lower-case letters, digits, '.', '_' and '-'",
        )
    return metric.card, {"feature_id": metric.feature_id, "paired": metric.distance.paired}


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
