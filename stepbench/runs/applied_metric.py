"""A metric as this machine can apply it to the prompts of a run: with options from the run, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stepbench.records import Prompt


@dataclass(frozen=True, kw_only=True)
class AppliedMetric:
    """What `apply_metric` found out.

    Attributes:
        card: With the hash of the weights that lie here; without one where the metric is unavailable.
        options: What the metric is built with.
        unavailable: Why it cannot be computed here, and the command that changes that; empty where it can.
    """

    card: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    unavailable: str = ""


def apply_metric(name: str, prompts: Sequence[Prompt]) -> AppliedMetric:
    """The card and options of a metric with one value per clip.

    Raises:
        MetricError: The metric is unknown, cannot be imported, or does not take its options.
    """
    from metrics.errors import UnavailableMetricError
    from metrics.registry import build, find

    metric_class: Any = find(name).load()
    # Metrics of other packages need not derive from the base that has this attribute.
    wanted = getattr(metric_class, "options_of_a_run", ())
    options = {"distractors": _texts(prompts)} if "distractors" in wanted else {}
    try:
        return AppliedMetric(card=build(name, **options).card, options=options)
    except UnavailableMetricError as error:
        # A folder that was broken in the meantime is told like one that is not there.
        return AppliedMetric(
            card=metric_class.card, options=options, unavailable=str(error).replace("\n  hint: ", "; ")
        )


def with_companions(names: Sequence[str], prompts: Sequence[Prompt]) -> list[str]:
    """The names, each followed by what its value must not be read without, such as the margin of a prompt score.

    A single prompt has no other to be told from, so then there are no margins.
    """
    from metrics.registry import find

    several = len(_texts(prompts)) > 1
    result = []
    for name in names:
        companions = getattr(find(name).load(), "companions", ())
        result += [name, *(one for one in companions if several or not one.endswith("_margin"))]
    return list(dict.fromkeys(result))


def _texts(prompts: Sequence[Prompt]) -> list[str]:
    return sorted({prompt.text for prompt in prompts})
