"""What a report says, before it is written in any format: frozen records, JSON-ready, missing numbers are None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """One metric of one run, over all prompts or over one group of them.

    Attributes:
        label: The run as people read it: its generator, with the run id where a generator has several runs.
        cut: `all`, `category` or `language`.
        group: The category or language; empty for `all`.
        n_units: Independent prompts behind the interval.
        coverage: Scored over planned samples, 0 to 1.
        mean: None where nothing was scored: a missing number is never zero.
        low: Lower end of the 95 % interval, None where there is none.
        rank_low: Best rank that the evidence leaves open among the comparable runs; None where there is no rank.
        n_ranked: Runs with a score.
    """

    run: str
    label: str
    metric_id: str
    metric: str
    cut: str
    group: str
    unit: str
    direction: str
    mean: float | None
    low: float | None
    high: float | None
    method: str
    n_units: int
    n_planned: int
    n_scored: int
    n_failed: int
    n_refused: int
    coverage: float
    rank_low: float | None
    rank_high: float | None
    n_ranked: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One metric of a run against the baseline, paired by prompt and seed; run minus baseline."""

    metric_id: str
    metric: str
    unit: str
    direction: str
    n: int
    mean_baseline: float | None
    mean_run: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    wins: int
    ties: int
    losses: int
    detectable_effect: float | None
    coverage_baseline: float
    coverage_run: float
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """A run against the baseline.

    Attributes:
        verdict: What came out, in a sentence or two.
        incomparable: Fields that make the two incomparable, each with both values; empty where they are comparable.
        reason: Why they are shown together all the same.
        not_compared: (metric id, why) of metrics without a row.
        by: `category` and `language` -> (group, difference) rows, corrected as exploring.
    """

    run: str
    label: str
    verdict: str
    differences: tuple[Difference, ...]
    by: Mapping[str, tuple[tuple[str, Difference], ...]]
    incomparable: tuple[str, ...]
    reason: str | None
    not_compared: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class SetValue:
    """A metric of all clips together, such as FVD, with what it takes to read it right."""

    run: str
    label: str
    metric_id: str
    metric: str
    direction: str
    value: float | None
    low: float | None
    high: float | None
    method: str
    n: int
    n_reference: int
    floor: float | None
    floor_n: int
    caution: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the clips of a run cost to make.

    Attributes:
        n: Clips made.
        seconds: Mean seconds per clip, encoding and storing included.
        median: Median seconds per clip; the first clip often pays for loading.
        stages: Stage -> mean seconds per clip that reports it.
        peak_memory_bytes: The largest peak of any clip, None where nothing was measured.
        joules: Mean per clip, None where nothing was measured.
    """

    run: str
    label: str
    n: int
    seconds: float | None
    low: float | None
    high: float | None
    median: float | None
    stages: Mapping[str, float]
    peak_memory_bytes: int | None
    joules: float | None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A sample, or a score, that is missing, with the reason."""

    run: str
    label: str
    where: str
    what: str
    outcome: str
    error: str


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """One run and how it was made.

    Attributes:
        number: Place on the command line, from 0; the baseline is 0. Colour and marker in every plot.
        samples: planned, ok, failed, refused, missing -> count.
        commands: Shell lines that make the run again, with remarks as comments.
        environment: Machine and software, one fact per entry.
        packages: Package -> version, as recorded.
    """

    run: str
    label: str
    number: int
    generator: str
    revision: str
    weights_hash: str
    licence: str
    description: str
    status: str
    created_at: str
    updated_at: str
    settings: Mapping[str, Any]
    seeds: tuple[int, ...]
    reference: str | None
    plan_hash: str
    suite: str
    suite_version: str
    suite_hash: str
    samples: Mapping[str, int]
    commands: tuple[str, ...]
    environment: Mapping[str, str]
    packages: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One run's clip of an example.

    Attributes:
        clip: Address of the video: a data URI or a relative path; None where there is none.
        poster: Data URI of the first frame, or None.
        reason: Why there is no clip.
        values: metric id -> score of this clip, None without one.
    """

    label: str
    number: int
    clip: str | None
    poster: str | None
    reason: str
    note: str
    frames: int
    fps: float
    width: int
    height: int
    values: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Example:
    """One prompt and seed with the clips of all runs."""

    heading: str
    prompt_id: str
    text: str
    language: str
    category: str
    seed: int
    sides: tuple[Side, ...]


@dataclass(frozen=True, kw_only=True)
class ExampleGroup:
    """Examples that were chosen by one rule, which `title` and `rule` tell."""

    title: str
    rule: str
    examples: tuple[Example, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a report says.

    Attributes:
        title: For the head and the browser's tab.
        summary: What was compared and what came out, in sentences.
        warnings: What a reader must know before trusting a number.
        cards: metric id -> metric card, in the order of the tables.
        rows: All rows, of all cuts.
        command: The command that makes this report again.
    """

    title: str
    summary: tuple[str, ...]
    warnings: tuple[str, ...]
    level: float
    runs: tuple[RunFacts, ...]
    cards: Mapping[str, Mapping[str, Any]]
    rows: tuple[MetricRow, ...]
    pairings: tuple[Pairing, ...]
    sets: tuple[SetValue, ...]
    costs: tuple[Cost, ...]
    failures: tuple[Failure, ...]
    examples: tuple[ExampleGroup, ...]
    command: str

    def overall(self) -> tuple[MetricRow, ...]:
        """The rows over all prompts, metric by metric, runs in the order given."""
        return tuple(row for row in self.rows if row.cut == "all")
