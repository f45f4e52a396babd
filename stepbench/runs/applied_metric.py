"""A metric as this machine can apply it to the prompts of a run: with options from the run, or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stepbench.canonical import sha256_json
from stepbench.errors import UsageError
from stepbench.records import Prompt
from stepbench.runs.metric_spec import parse_metric

_SAFE_FEATURES = re.compile(r"[a-z0-9][a-z0-9._:-]{0,199}")


@dataclass(frozen=True, kw_only=True)
class AppliedMetric:
    """What `apply_metric` found out.

    Attributes:
        name: Registry name.
        card: With the hash of the weights that lie here; without one where the metric is unavailable.
        asked: Options that the user gave; part of what an unavailable metric is known by.
        options: What the metric is built with, those that the run fills in included.
        features: Of a set metric: `feature_id`, the features it is computed from, and whether these come in pairs.
        unavailable: Why it cannot be computed here, and the command that changes that; empty where it can.
    """

    name: str
    card: Any
    asked: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=dict)
    unavailable: str = ""


def apply_metric(text: str, prompts: Sequence[Prompt]) -> AppliedMetric:
    """The card and options of a metric, and the features of one with a value per set.

    Args:
        text: `NAME` or `NAME(KEY=VALUE, ...)`.
        prompts: Of the run.

    Raises:
        MetricError: The metric is unknown, cannot be imported, or does not take its options; or it is a set metric
            without its weights.
        UsageError: The text cannot be read, or no run can be scored with the metric.
    """
    from metrics.errors import UnavailableMetricError
    from metrics.options import check_options
    from metrics.registry import build, find

    spec = parse_metric(text)
    name, options = spec.name, dict(spec.options)
    metric_class: Any = find(name).load()
    check_options(name, options)
    if hasattr(metric_class, "distance_for"):
        metric = build(name, **options)
        return AppliedMetric(
            name=name, card=metric.card, asked=options, options=options, features=_features_of(metric, name)
        )
    # Metrics of other packages need not derive from the base that has this attribute.
    wanted = getattr(metric_class, "options_of_a_run", ())
    options |= {"distractors": _texts(prompts)} if "distractors" in wanted else {}
    try:
        card = build(name, **options).card
    except UnavailableMetricError as error:
        # A folder that was broken in the meantime is told like one that is not there.
        return AppliedMetric(
            name=name,
            card=_named_by_options(metric_class.card, spec.options),
            asked=spec.options,
            options=options,
            unavailable=str(error).replace("\n  hint: ", "; "),
        )
    if card.level == "set":
        raise UsageError(
            f"no run can be scored with metric {name!r}: it gives one value per set and has no `distance_for`",
            hint="derive it from metrics.set_metric.SetMetric",
        )
    return AppliedMetric(name=name, card=card, asked=spec.options, options=options)


def _named_by_options(card: Any, options: Mapping[str, Any]) -> Any:
    """The card of a metric that cannot be built: which id its options would give is not known, but it is another."""
    return replace(card, policy=f"{card.policy[:50]}-{sha256_json(options)[:6]}") if options else card


def _features_of(metric: Any, name: str) -> dict[str, Any]:
    if not _SAFE_FEATURES.fullmatch(metric.feature_id):
        raise UsageError(
            f"metric {name!r}: its features are called {metric.feature_id!r}, which cannot be a folder's name",
            hint="give the backbone a name and a policy of lower-case letters, digits, '.', '_' and '-'",
        )
    return {"feature_id": metric.feature_id, "paired": metric.distance.paired}


def with_companions(names: Sequence[str], prompts: Sequence[Prompt]) -> list[str]:
    """The names, each followed by what its value must not be read without, such as the margin of a prompt score.

    A single prompt has no other to be told from, so then there are no margins.
    """
    from metrics.registry import find

    several = len(_texts(prompts)) > 1
    result = []
    for name in names:
        companions = getattr(find(parse_metric(name).name).load(), "companions", ())
        result += [name, *(one for one in companions if several or not one.endswith("_margin"))]
    return list(dict.fromkeys(result))


def _texts(prompts: Sequence[Prompt]) -> list[str]:
    return sorted({prompt.text for prompt in prompts})
