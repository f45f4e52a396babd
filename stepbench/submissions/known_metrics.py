"""Are the metrics of a submission those of this version, by their exact ids? Builds metrics, so it needs torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepbench.errors import StepbenchError
from stepbench.runs.metric_set import ChosenMetric, choose_metrics
from stepbench.submissions.outcome import Check, outcome

if TYPE_CHECKING:
    from stepbench.submissions.read import Submission

_PLAIN = re.compile(r"[A-Za-z0-9._+-]{1,60}")
_CARD_FACTS = ("name", "version", "direction", "unit", "range", "level", "policy")
"""What a card must say as the metric's own does: the board sorts and labels by these."""


def check_metrics(given: Submission) -> tuple[Check, dict[str, ChosenMetric], dict[str, str]]:
    """Look every metric up by its id.

    Returns:
        The check; metric_id -> the metric as it can be computed here; metric_id -> why it cannot.
    """
    problems: list[str] = []
    here: dict[str, ChosenMetric] = {}
    not_here: dict[str, str] = {}
    for metric_id, card in given.cards.items():
        if card.get("level") == "set":
            not_here[metric_id] = "it has one value for all clips together"
            problems += _unknown_name(metric_id, card)
            continue
        if "reference" in card.get("needs", ()):
            not_here[metric_id] = "it needs the clips of the run's reference"
            problems += _unknown_name(metric_id, card)
            continue
        try:
            metric = _built(given, card)
        except StepbenchError as error:
            problems.append(f"{metric_id}: {error.message}")
            continue
        if metric.unavailable:
            not_here[metric_id] = metric.unavailable
        elif metric.metric_id != metric_id:
            problems.append(f"{metric_id}: this version computes {metric.metric_id}")
        else:
            problems += [
                f"{metric_id}: {name} is {card.get(name)!r:.80} in its card, here {metric.card[name]!r:.80}"
                for name in _CARD_FACTS
                if _plain(card.get(name)) != _plain(metric.card[name])
            ]
            here[metric_id] = metric
    return outcome("metrics", problems, f"{len(here) + len(not_here)} metrics are known"), here, not_here


def _built(given: Submission, card: Mapping[str, Any]) -> ChosenMetric:
    options = card.get("options") or {}
    for name, value in options.items():
        # An option may name a folder of weights; nothing of this machine is opened because a stranger says so.
        if not _PLAIN.fullmatch(name) or not _PLAIN.fullmatch(str(value)):
            raise StepbenchError(f"option {name!r:.60} is {value!r:.60}, which is not opened for a submission")
    written = ", ".join(f"{name}={value}" for name, value in options.items())
    name = f"{card['name']}({written})" if options else card["name"]
    chosen = choose_metrics([name], list(given.prompts.values()))
    return next(metric for metric in chosen if metric.name == card["name"])


def _unknown_name(metric_id: str, card: Mapping[str, Any]) -> list[str]:
    from metrics.errors import MetricError
    from metrics.registry import find

    name = str(card["name"])
    for candidate in (name, name.partition("_")[0]):
        try:
            find(candidate)
        except MetricError:
            continue
        return []
    return [f"{metric_id}: there is no metric {name!r:.60}"]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
