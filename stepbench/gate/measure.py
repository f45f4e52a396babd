"""The measured side of a gate: two runs compared by the metrics of a policy, each row turned into evidence."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from stepbench.comparability import FieldDifference, check_comparable, metric_names
from stepbench.comparison import Comparison, compare
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.gate.policy import MetricPolicy, Policy
from stepbench.gate.result import FallenPrompt
from stepbench.gate.verdicts import Evidence
from stepbench.runs.run import Run
from stepbench.stats.paired import RELATIVE_TIE

SHOWN = 5
"""Prompts named per metric."""

ID_SEPARATOR = " / "
"""Between the two ids of a metric that a forced comparison pairs."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One metric of the policy as two runs have it.

    Attributes:
        metric: Name.
        metric_id: Full id, or empty.
        unit: Of the values.
        direction: Which way is better; empty where the metric was not scored.
        demands: What the policy says.
        row: The row of the comparison; empty where there is none.
        margin: Largest accepted loss, in the metric's unit.
        evidence: For the verdict.
        gaps: Why a pass is not possible whatever the numbers say.
        broken: Which floor or ceiling the candidate broke.
        fell: The prompts that fell most.
    """

    metric: str
    metric_id: str
    unit: str
    direction: Literal["higher", "lower", ""]
    demands: MetricPolicy
    row: Mapping[str, Any]
    margin: float
    evidence: Evidence
    gaps: tuple[str, ...]
    broken: tuple[str, ...]
    fell: tuple[FallenPrompt, ...]


def check_names(policy: Policy, runs: Sequence[Run]) -> None:
    """Refuse metrics that nobody knows, and directions that contradict a card.

    Raises:
        UsageError: Naming the metric and the nearest known ones, or the direction.
    """
    from metrics.registry import METRICS

    cards = {metric_id: card for run in runs for metric_id, card in run.metric_cards.items()}
    known = [*METRICS, *cards, *(card["name"] for card in cards.values())]
    for name, demands in policy.metrics.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "`stepbench list metrics` lists them"
            raise UsageError(f"policy: there is no metric {name!r}", hint=hint)
        for metric_id, card in cards.items():
            if name in (metric_id, card["name"]):
                _direction(name, demands, card)


def measure(
    candidate: Run, reference: Run, policy: Policy, *, allow_incomparable: str | None, seed: int
) -> tuple[list[Measured], list[FieldDifference]]:
    """Compare by the metrics of the policy; every one of them gives at least one result, scored or not.

    Raises:
        NotComparableError: As `stepbench.comparison.compare`, which also says why a reason must not be blank.
    """
    scored = [*metric_names(candidate).items(), *metric_names(reference).items()]
    wanted = [name for name in policy.metrics if any(name in pair for pair in scored)]
    differences = check_comparable(reference, candidate, allow_incomparable, metrics=wanted)
    comparison = _comparison(candidate, reference, policy, wanted, allow_incomparable, seed)
    rows = comparison.table().to_dict("records") if comparison is not None else []
    measured: list[Measured] = []
    for name, demands in policy.metrics.items():
        own = [row for row in rows if name == row["metric"] or name in row["metric_id"].split(ID_SEPARATOR)]
        if own and comparison is not None:
            measured += [_measured(row, demands, policy, comparison, candidate, reference) for row in own]
        else:
            measured.append(_missing(name, demands, _why_missing(name, candidate, reference, comparison)))
    return measured, differences


def _direction(name: str, demands: MetricPolicy, card: Mapping[str, Any]) -> Literal["higher", "lower"]:
    """The better direction: the card's, or where that is neutral the policy's."""
    if card["direction"] == "neutral":
        if demands.direction is None:
            raise UsageError(
                f"policy: [metrics.{name}] needs a direction: by its card neither way is better",
                hint='write direction = "higher" or direction = "lower", or gate another metric',
            )
        return demands.direction
    if demands.direction not in (None, card["direction"]):
        raise UsageError(
            f"policy: [metrics.{name}] says direction {demands.direction!r}, by its card {card['direction']} is better",
            hint="leave direction away: the card decides, except for neutral metrics",
        )
    return card["direction"]


def _comparison(
    candidate: Run, reference: Run, policy: Policy, wanted: Sequence[str], allow_incomparable: str | None, seed: int
) -> Comparison | None:
    """The comparison, or None when there is nothing that both runs have scored."""
    try:
        return compare(
            reference,
            candidate,
            metrics=wanted,
            level=1 - policy.alpha,
            seed=seed,
            allow_incomparable=allow_incomparable,
        )
    except NothingSelectedError:
        return None


def _measured(
    row: Mapping[str, Any],
    demands: MetricPolicy,
    policy: Policy,
    comparison: Comparison,
    candidate: Run,
    reference: Run,
) -> Measured:
    metric_id = row["metric_id"].split(ID_SEPARATOR)[0]
    direction = _direction(row["metric"], demands, reference.metric_cards[metric_id])
    # 0.0 - x, for -x turns a difference of 0 into -0.
    low, high = (row["low"], row["high"]) if direction == "lower" else (0.0 - row["high"], 0.0 - row["low"])
    gaps = [
        _gap(run, row["metric"], coverage, policy.min_coverage)
        for run, coverage in ((candidate, row["coverage_b"]), (reference, row["coverage_a"]))
        if coverage < policy.min_coverage
    ]
    if row["n"] == 0:
        gaps.append("no prompt and seed is scored in both runs")
    broken = _broken_limits(demands, row["mean_b"])
    margin = demands.margin_for(row["mean_a"])
    return Measured(
        metric=row["metric"],
        metric_id=row["metric_id"],
        unit=row["unit"],
        direction=direction,
        demands=demands,
        row=row,
        margin=margin,
        evidence=Evidence(
            n=row["n"],
            loss=row["difference"] if direction == "lower" else 0.0 - row["difference"],
            low=low,
            high=high,
            standard_error=row["standard_error"],
            # A loss of just the margin is accepted: rounding in the last digit must not turn it into a regression.
            margin=margin + RELATIVE_TIE * max(abs(row["mean_a"]), abs(row["mean_b"])),
            min_n=demands.min_n,
            covered=not gaps,
            limits_hold=not broken,
        ),
        gaps=tuple(gaps),
        broken=broken,
        fell=_fell(comparison, metric_id, direction) if row["n"] and comparison.has_prompts(row["metric"]) else (),
    )


def _missing(name: str, demands: MetricPolicy, why: str) -> Measured:
    nan = float("nan")
    margin = demands.margin_for(nan)
    evidence = Evidence(n=0, loss=nan, low=nan, high=nan, standard_error=nan, margin=margin)
    return Measured(
        metric=name,
        metric_id="",
        unit="",
        direction=demands.direction or "",
        demands=demands,
        row={},
        margin=margin,
        evidence=replace(evidence, min_n=demands.min_n, covered=False),
        gaps=(why,),
        broken=(),
        fell=(),
    )


def _why_missing(name: str, candidate: Run, reference: Run, comparison: Comparison | None) -> str:
    for run in (candidate, reference):
        if not any(name in pair for pair in metric_names(run).items()):
            return f"{run.name} has no scores of {name}: stepbench score {run.folder} -m {name.partition('@')[0]}"
    for metric_id, why in comparison.not_compared if comparison is not None else ():
        if name in (metric_id, metric_id.partition("@")[0]) or metric_id in _ids(name, candidate, reference):
            return why
    return "no prompt and seed is scored in both runs"


def _ids(name: str, *runs: Run) -> set[str]:
    return {metric_id for run in runs for metric_id, own in metric_names(run).items() if own == name}


def _gap(run: Run, metric: str, coverage: float, demanded: float) -> str:
    """Which samples lack a score, and the first reason that is known."""
    outcomes = run.samples()["outcome"].tolist()
    scores = run.scores()
    errors = scores.loc[(scores["metric"] == metric) & (scores["status"] != "ok"), "error"].tolist()
    counts = {
        "failed": outcomes.count("failed"),
        "refused": outcomes.count("refused"),
        "not tried yet": sum(outcome not in ("ok", "failed", "refused") for outcome in outcomes),
        "not scored": len(errors),
    }
    detail = [f"{count} {name}" for name, count in counts.items() if count]
    detail += [f"the first: {errors[0]}"] if errors else []
    because = f" ({', '.join(detail)})" if detail else ""
    return f"{coverage:.1%} of the samples of {run.name} are scored{because}, the policy demands {demanded:.1%}"


def _broken_limits(demands: MetricPolicy, mean: float) -> tuple[str, ...]:
    """The candidate's mean itself decides: a limit is about this suite, not about prompts in general."""
    broken = []
    if demands.floor is not None and mean < demands.floor:
        broken.append(f"the candidate's mean {mean:.4g} lies below the floor {demands.floor:g}")
    if demands.ceiling is not None and mean > demands.ceiling:
        broken.append(f"the candidate's mean {mean:.4g} lies above the ceiling {demands.ceiling:g}")
    return tuple(broken)


def _fell(comparison: Comparison, metric_id: str, direction: str) -> tuple[FallenPrompt, ...]:
    sign = 1 if direction == "lower" else -1
    prompts = comparison.prompts(metric_id).to_dict("records")
    fallen = sorted((row for row in prompts if sign * row["difference"] > 0), key=lambda row: -sign * row["difference"])
    return tuple(
        FallenPrompt(prompt_id=row["prompt_id"], text=row["text"], reference=row["a"], candidate=row["b"])
        for row in fallen[:SHOWN]
    )
