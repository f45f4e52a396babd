"""The format of a run's rows, for runs from strangers: every field that anything reads later, with its type."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stepbench.records import SAFE_ID
from stepbench.submissions.limits import SubmissionError

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SafeId = Annotated[str, Field(pattern=f"^{SAFE_ID.pattern}$")]
Name = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=20_000)]
MetricId = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}@[0-9]{1,6}(:[A-Za-z0-9._+-]{1,100}){0,6}$")]
ClipName = Annotated[str, Field(pattern=r"^clips/[A-Za-z0-9][A-Za-z0-9._-]{0,150}$")]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Size = Annotated[int, Field(ge=1, le=1_000_000)]


class _Strict(BaseModel):
    # Fields of later versions are let through; none of them is read.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class GeneratorFacts(_Strict):
    """Who made the clips."""

    name: Name
    revision: Name
    weights_hash: Name
    licence: Name
    description: Text


class SuiteFacts(_Strict):
    """What was asked for."""

    name: Name
    version: Name
    hash: Hash


class RunInfo(_Strict):
    """`run.json`."""

    schema_version: Literal[1] = Field(alias="schema")
    run_id: SafeId
    status: Literal["complete", "incomplete"]
    plan_hash: Hash
    created_at: Name
    generator: GeneratorFacts
    suite: SuiteFacts
    settings: dict[str, Any]
    seeds: list[Seed]
    n_planned: int
    metric_cards: dict[MetricId, dict[str, Any]]


class PlanRow(_Strict):
    """A line of `plan.jsonl`."""

    sample_key: Hash
    prompt_id: SafeId
    seed: Seed


class PromptRow(_Strict):
    """A line of `prompts.jsonl`."""

    id: SafeId
    text: Annotated[str, Field(min_length=1, max_length=20_000)]
    language: Annotated[str, Field(min_length=1, max_length=35)]
    category: Annotated[str, Field(min_length=1, max_length=200)]


class SampleRow(_Strict):
    """A line of `samples.jsonl`."""

    sample_key: Hash
    outcome: Literal["ok", "failed", "refused"]
    attempt: int
    error: str | None
    clip: ClipName | None = None
    clip_sha256: Hash | None = None
    preview: ClipName | None = None
    frames: Size | None = None
    height: Size | None = None
    width: Size | None = None
    fps: Annotated[float, Field(gt=0, le=10_000)] | None = None

    @model_validator(mode="after")
    def _made(self) -> SampleRow:
        if self.outcome == "ok" and (self.clip is None or self.clip_sha256 is None):
            raise ValueError("a sample that was made names its clip and the clip's sha256")
        return self


class ScoreRow(_Strict):
    """A line of `scores/<metric-id>.jsonl`."""

    metric_id: MetricId
    value: float | None = None
    status: Literal["ok", "failed", "unavailable", "missing"]
    sample_key: Hash | None = None
    set_key: Hash | None = None
    clip_sha256: Hash | None = None

    @model_validator(mode="after")
    def _scored(self) -> ScoreRow:
        if (self.status == "ok") != (self.value is not None):
            raise ValueError("a score has a value when, and only when, its status is ok")
        return self


def check_row(model: type[BaseModel], row: dict[str, Any], where: str) -> Any:
    """The row as a record of `model`.

    Raises:
        SubmissionError: A field is missing or of another type; the first is named with its value.
    """
    try:
        return model.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "row"
        raise SubmissionError(
            f"{where}: {field}: {first['msg']}, got {first['input']!r:.120}",
            hint="the format stands in docs/run-folder.md; hand the run in as stepbench wrote it",
        ) from error
