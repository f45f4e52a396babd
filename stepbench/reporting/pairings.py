"""Every run of a report against the baseline, from `stepbench.comparison`, in the report's records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stepbench.comparison import Comparison, Grouping, compare
from stepbench.errors import NothingSelectedError
from stepbench.reporting.model import Difference, Pairing
from stepbench.reporting.values import present
from stepbench.reporting.verdict import sentence

if TYPE_CHECKING:
    from stepbench.runs.run import Run

LEVEL = 0.95
"""Coverage of all intervals of a report."""


def pair(
    baseline: Run,
    run: Run,
    name: str,
    label: str,
    baseline_label: str,
    metrics: Sequence[str] | None,
    reason: str | None,
) -> Pairing:
    """Compare a run with the baseline, in all and by category and language.

    Raises:
        NotComparableError: They differ in a field that decides what the numbers mean, and no reason is given.
    """
    empty: dict[str, tuple[tuple[str, Difference], ...]] = {"category": (), "language": ()}
    try:
        found = compare(baseline, run, metrics=metrics, level=LEVEL, allow_incomparable=reason)
    except NothingSelectedError as error:
        # Exit code 5 is the answer of `compare`; a report still shows what each run has.
        return Pairing(
            run=name,
            label=label,
            verdict=f"{label} is not compared with {baseline_label}: {error.message}.",
            differences=(),
            by=empty,
            incomparable=(),
            reason=None,
            not_compared=(),
        )
    differences = _differences(found)
    return Pairing(
        run=name,
        label=label,
        verdict=sentence(label, baseline_label, differences),
        differences=differences,
        by={by: _by(baseline, run, by, metrics, reason) for by in ("category", "language")},
        incomparable=tuple(map(str, found.differences)),
        reason=found.reason,
        not_compared=found.not_compared,
    )


def _by(
    baseline: Run, run: Run, by: Grouping, metrics: Sequence[str] | None, reason: str | None
) -> tuple[tuple[str, Difference], ...]:
    """Rows by group; none where there is one group only, which would repeat the table."""
    if len(set(baseline.samples()[by])) < 2:
        return ()
    found = compare(baseline, run, metrics=metrics, by=by, level=LEVEL, allow_incomparable=reason)
    groups = [str(group) for group in found.table()[by]]
    return tuple(zip(groups, _differences(found), strict=True))


def _differences(found: Comparison) -> tuple[Difference, ...]:
    return tuple(_difference(row) for row in found.table().to_dict(orient="records"))


def _difference(row: Mapping[Any, Any]) -> Difference:
    numbers = ("difference", "low", "high", "p", "p_adjusted", "detectable_effect")
    fields: dict[str, Any] = {field: row[field] for field in ("metric_id", "metric", "unit", "direction", "verdict")}
    fields |= {field: int(row[field]) for field in ("n", "wins", "ties", "losses")}
    fields |= {field: present(row[field]) for field in numbers}
    fields |= {"mean_baseline": present(row["mean_a"]), "mean_run": present(row["mean_b"])}
    fields |= {"coverage_baseline": float(row["coverage_a"]), "coverage_run": float(row["coverage_b"])}
    return Difference(**fields)
