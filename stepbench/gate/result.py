"""What a gate found: one frozen record per metric, and the whole with its exit code."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from stepbench.comparability import FieldDifference
from stepbench.errors import ExitCode, UsageError
from stepbench.gate.policy import Policy
from stepbench.gate.verdicts import Verdict, worst

Against = Literal["baseline", "anchor"]
WhenInconclusive = Literal["fail", "warn", "pass"]
SCHEMA = 1
"""Version of the JSON form, for those who keep verdicts over time."""


@dataclass(frozen=True, kw_only=True)
class FallenPrompt:
    """A prompt on which the candidate did worse; values in the metric's unit, seeds averaged."""

    prompt_id: str
    text: str
    reference: float
    candidate: float


@dataclass(frozen=True, kw_only=True)
class MetricResult:
    """One metric against one reference run.

    Attributes:
        metric: Name.
        metric_id: Full id; empty where the metric was scored in neither run.
        against: `baseline` or `anchor`.
        unit: Of the values.
        direction: Which way is better; empty where the metric was not scored.
        n: Prompts that both runs have scored; translations of one prompt are one.
        mean_reference: Mean of the baseline or the anchor over those prompts; NaN when n is 0.
        mean_candidate: Mean of the candidate over those prompts.
        difference: Candidate minus reference.
        low: Lower end of its interval at level 1 - alpha; NaN when n < 2.
        high: Upper end, likewise.
        margin: Largest accepted loss, in the metric's unit, not negative.
        p: Of a regression, Holm-corrected over the gate; NaN where nothing could be tested.
        corrected_level: Level of the interval that had to lie wholly beyond the margin.
        loss_low: Least loss in the interval at level 1 - alpha; positive is worse.
        loss_high: Greatest loss in it: the smallest margin that would pass.
        corrected_loss_low: Least loss in the interval at `corrected_level`.
        n_needed: Where inconclusive: prompts that would settle the matter if the true difference is the measured one,
            with 80 % power; infinity: none would; NaN: not to be said from fewer than two prompts.
        min_n: Prompts that the policy demands.
        coverage_reference: Scored over planned samples.
        coverage_candidate: Likewise.
        floor: Lowest accepted mean of the candidate, or None.
        ceiling: Highest accepted mean, or None.
        verdict: `pass`, `inconclusive`, `incomplete` or `regression`.
        reasons: Why, in words, at least one.
        fell: The prompts that fell most, where the verdict is no pass and prompts have values of their own.
    """

    metric: str
    metric_id: str
    against: Against
    unit: str
    direction: Literal["higher", "lower", ""]
    n: int
    mean_reference: float
    mean_candidate: float
    difference: float
    low: float
    high: float
    margin: float
    p: float
    corrected_level: float
    loss_low: float
    loss_high: float
    corrected_loss_low: float
    n_needed: float
    min_n: int
    coverage_reference: float
    coverage_candidate: float
    floor: float | None
    ceiling: float | None
    verdict: Verdict
    reasons: tuple[str, ...]
    fell: tuple[FallenPrompt, ...] = ()

    @property
    def limit(self) -> float:
        """The difference that may just be reached: minus the margin where higher is better, else plus the margin."""
        return -self.margin if self.direction == "higher" else self.margin


@dataclass(frozen=True, kw_only=True)
class GateSide:
    """One run of a gate, as far as a reader must know it."""

    run: str
    generator: str
    status: str
    created_at: str


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """A gate's verdict and everything behind it.

    Attributes:
        candidate: The run under test.
        baseline: The run it must not fall behind.
        anchor: A run of long ago against which drift is measured, or None.
        suite: Name, version and hash.
        policy: What was demanded.
        metrics: One result per metric, against the baseline first.
        differences: Fields in which the runs are not comparable; empty unless forced.
        reason: Why they were compared all the same, else None.
        notes: What a reader should know beside the numbers.
    """

    candidate: GateSide
    baseline: GateSide
    anchor: GateSide | None
    suite: dict[str, str]
    policy: Policy
    metrics: tuple[MetricResult, ...]
    differences: tuple[FieldDifference, ...]
    reason: str | None
    notes: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """That of the worst metric: `regression`, `incomplete`, `inconclusive` or `pass`."""
        return worst([one.verdict for one in self.metrics])

    def exit_code(self, inconclusive: WhenInconclusive = "fail") -> ExitCode:
        """0 for a pass, 10, 3 or 11; with `warn` or `pass`, an inconclusive gate is 0.

        Raises:
            UsageError: For another word.
        """
        if inconclusive not in ("fail", "warn", "pass"):
            raise UsageError(f"inconclusive must be fail, warn or pass, got {inconclusive!r}")
        if self.verdict == "inconclusive" and inconclusive != "fail":
            return ExitCode.OK
        return {
            "pass": ExitCode.OK,
            "inconclusive": ExitCode.INCONCLUSIVE,
            "incomplete": ExitCode.INCOMPLETE,
            "regression": ExitCode.REGRESSION,
        }[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values; what is no finite number becomes None."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "exit_code": int(self.exit_code()),
            "candidate": asdict(self.candidate),
            "baseline": asdict(self.baseline),
            "anchor": asdict(self.anchor) if self.anchor else None,
            "suite": self.suite,
            "policy": self.policy.model_dump(),
            "metrics": [_finite(asdict(one)) for one in self.metrics],
            "differences": [{"field": one.field, "reference": one.a, "candidate": one.b} for one in self.differences],
            "reason": self.reason,
            "notes": list(self.notes),
        }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
