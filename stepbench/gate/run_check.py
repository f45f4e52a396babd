"""A gate from end to end: candidate against baseline, and against an anchor where there is one, by one policy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepbench.comparability import FieldDifference
from stepbench.gate.measure import Measured, check_names, measure
from stepbench.gate.policy import Policy, as_policy
from stepbench.gate.reasons import reasons
from stepbench.gate.result import Against, GateResult, GateSide, MetricResult
from stepbench.gate.verdicts import Decision, decide
from stepbench.runs.run import Run, open_run


def check(
    candidate: str | Path | Run,
    baseline: str | Path | Run,
    policy: Policy | Mapping[str, Any] | str | Path,
    *,
    anchor: str | Path | Run | None = None,
    allow_incomparable: str | None = None,
    seed: int = 0,
) -> GateResult:
    """Say for every metric of the policy whether the candidate lost more than its margin, and how sure that is.

    Non-inferiority on paired prompts: pass when the interval's bad end is inside the margin, regression when the
    interval lies wholly beyond it, else inconclusive. All tests, those against the anchor among them, are one family
    (Holm for regressions). Scores that are missing make a metric `incomplete`, never a pass.

    Args:
        candidate: The run under test.
        baseline: The run it must not fall behind.
        policy: A `Policy`, a TOML file, or its parsed content.
        anchor: A run of long ago: losses that pass step by step are held against it together.
        allow_incomparable: Why runs that differ in a deciding field shall be compared all the same.
        seed: Seed of permutation tests and bootstraps; the t intervals do not depend on it.

    Raises:
        UsageError: A policy that is not understood, an unknown metric, a direction that contradicts a card.
        NothingSelectedError: A policy without metrics.
        NotComparableError: Runs that differ in what decides the meaning of their numbers.
        RunFolderError: A folder without a run.
    """
    demands = as_policy(policy)
    tested = _opened(candidate)
    references: dict[Against, Run] = {"baseline": _opened(baseline)}
    if anchor is not None:
        references["anchor"] = _opened(anchor)
    check_names(demands, [tested, *references.values()])
    measured: list[tuple[Against, Measured]] = []
    differences: list[FieldDifference] = []
    for against, reference in references.items():
        found, unlike = measure(tested, reference, demands, allow_incomparable=allow_incomparable, seed=seed)
        for one in found:
            measured.append((against, one))
        differences += [difference for difference in unlike if difference not in differences]
    decisions = decide([one.evidence for _, one in measured], demands.alpha)
    return GateResult(
        candidate=_side(tested),
        baseline=_side(references["baseline"]),
        anchor=_side(references["anchor"]) if "anchor" in references else None,
        suite={key: tested.info["suite"][key] for key in ("name", "version", "hash")},
        policy=demands,
        metrics=tuple(
            _result(against, one, decision, demands)
            for (against, one), decision in zip(measured, decisions, strict=True)
        ),
        differences=tuple(differences),
        reason=allow_incomparable if differences else None,
        notes=_notes(tested, references),
    )


def _opened(run: str | Path | Run) -> Run:
    return open_run(run) if isinstance(run, str | Path) else run


def _side(run: Run) -> GateSide:
    return GateSide(
        run=run.name, generator=run.generator_name, status=run.info["status"], created_at=run.info["created_at"]
    )


def _notes(candidate: Run, references: Mapping[Against, Run]) -> tuple[str, ...]:
    notes = []
    for against, run in references.items():
        if run.folder.resolve() == candidate.folder.resolve():
            notes.append(f"candidate and {against} are one and the same run: nothing can differ")
    for run in (candidate, *references.values()):
        if run.info["status"] not in ("complete",):
            notes.append(f"run {run.name} is {run.info['status']}: the same `stepbench run` command completes it")
    return tuple(dict.fromkeys(notes))


def _result(against: Against, one: Measured, decision: Decision, policy: Policy) -> MetricResult:
    row, nan = one.row, float("nan")
    return MetricResult(
        metric=one.metric,
        metric_id=one.metric_id,
        against=against,
        unit=one.unit,
        direction=one.direction,
        n=one.evidence.n,
        mean_reference=row.get("mean_a", nan),
        mean_candidate=row.get("mean_b", nan),
        difference=row.get("difference", nan),
        low=row.get("low", nan),
        high=row.get("high", nan),
        margin=one.margin,
        p=decision.p,
        corrected_level=decision.corrected_level,
        loss_low=one.evidence.low,
        loss_high=one.evidence.high,
        corrected_loss_low=decision.corrected_low,
        n_needed=decision.n_needed,
        min_n=one.demands.min_n,
        coverage_reference=row.get("coverage_a", 0.0),
        coverage_candidate=row.get("coverage_b", 0.0),
        floor=one.demands.floor,
        ceiling=one.demands.ceiling,
        verdict=decision.verdict,
        reasons=reasons(one, decision, policy),
        fell=() if decision.verdict == "pass" else one.fell,
    )
