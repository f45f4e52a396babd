"""The scores that the model cards of the shipped small models show, from one JSON file:

    {"tiny":       {"obedience": [ROW, ...], "vae": [ROW, ...], "notes": ["TEXT", ...]},
     "tiny-turbo": {"obedience": [ROW, ...], "against_tiny": [ROW, ...], "notes": []},
     "tiny-dpo":   {"obedience": [ROW, ...], "against_tiny": [ROW, ...], "notes": []}}

`obedience` holds the rows of `obedience_table`, as `table.to_dict("records")` gives them, and must not be empty; the
other lists may be left out. `vae` belongs to `tiny` alone, `against_tiny` to the others. The classes below list the
fields of each row. All are needed; where a type says `Missing`, null and NaN stand for a number that there is not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from stepbench.errors import UsageError
from stepbench.training.tiny_pack import VARIANTS
from stepbench.training.tiny_stages import BASE

SHOWN_PROBLEMS = 8
ROUNDING = 1e-9

Missing = Annotated[float | None, BeforeValidator(lambda value: None if value != value else value)]
"""A number, or None for what could not be computed. NaN, the one value that is not equal to itself, becomes None."""
Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ObedienceScore(_Row):
    """One attribute, or `mean`; see `obedience_table` for the columns."""

    attribute: Text
    share: Share
    low: Missing
    high: Missing
    chance: Share
    shuffled: Missing
    share_en: Missing
    share_zh: Missing
    clips: int = Field(ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> ObedienceScore:
        return _around(self, self.low, self.share, self.high)


class VAEScore(_Row):
    """One autoencoder or codec: PSNR in dB and SSIM with 95% intervals, and what a clip takes."""

    model: Text
    psnr: float
    psnr_low: Missing
    psnr_high: Missing
    ssim: float
    ssim_low: Missing
    ssim_high: Missing
    bits_per_pixel: float = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> VAEScore:
        return _around(
            _around(self, self.psnr_low, self.psnr, self.psnr_high), self.ssim_low, self.ssim, self.ssim_high
        )


class AgainstTiny(_Row):
    """One metric of a variant beside that of `tiny`: `difference` is variant minus tiny, `low` to `high` its interval.

    `note` may be empty.
    """

    metric: Text
    tiny: float
    variant: float
    difference: float
    low: Missing
    high: Missing
    note: str

    @model_validator(mode="after")
    def _ordered(self) -> AgainstTiny:
        return _around(self, self.low, self.difference, self.high)


class VariantScores(_Row):
    """Everything that is shown of one variant."""

    obedience: list[ObedienceScore] = Field(min_length=1)
    vae: list[VAEScore] = []
    against_tiny: list[AgainstTiny] = []
    notes: list[Text] = []


def read_scores(file: Path, variants: Sequence[str]) -> dict[str, VariantScores]:
    """The checked scores of variants.

    Args:
        file: See the top of this module.
        variants: Which must be there.

    Raises:
        UsageError: The file cannot be read, a variant or field is missing, or a value is not what it must be.
    """
    scores = _read_object(file)
    unknown = sorted(scores.keys() - set(VARIANTS))
    if unknown:
        raise UsageError(f"{file}: unknown variant {unknown[0]!r}", hint=f"known: {', '.join(VARIANTS)}")
    for name in variants:
        if name not in scores:
            raise UsageError(
                f"{file} has no scores of {name}",
                hint=f'score the packed model and add "{name}": {{"obedience": [...], ...}} to the file',
            )
    return {name: _checked(file, name, scores[name]) for name in variants}


def _read_object(file: Path) -> Mapping[str, Any]:
    try:
        scores = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"no scores at {file}: {error.strerror}", hint="give the file as --scores FILE") from error
    except ValueError as error:
        raise UsageError(f"{file} is no JSON: {error}", hint="write it with json.dumps") from error
    if not isinstance(scores, dict):
        raise UsageError(f"{file} must hold an object with a key for each variant, got {type(scores).__name__}")
    return scores


def _checked(file: Path, name: str, value: Any) -> VariantScores:
    try:
        scores = VariantScores.model_validate(value)
    except ValidationError as error:
        problems = [_sentence(name, item) for item in error.errors()]
        rest = len(problems) - SHOWN_PROBLEMS
        shown = problems[:SHOWN_PROBLEMS] + ([f"... and {rest} more"] if rest > 0 else [])
        raise UsageError(
            f"{file} does not fit the cards:\n  " + "\n  ".join(shown),
            hint="the top of stepbench/training/tiny_card_scores.py says what the file holds",
        ) from error
    alien = "against_tiny" if name == BASE else "vae"
    if getattr(scores, alien):
        raise UsageError(f"{file}: {name}.{alien} has no place on this card", hint=f"leave {alien} out of {name}")
    return scores


def _sentence(name: str, item: Any) -> str:
    place = ".".join([name, *map(str, item["loc"])])
    if item["type"] == "missing":
        return f"{place} is missing"
    if item["type"] == "extra_forbidden":
        return f"{place} is not known"
    return f"{place}: {item['msg'].removeprefix('Value error, ')}" + (
        "" if isinstance(item["input"], dict) else f", got {item['input']!r:.80}"
    )


_RowType = TypeVar("_RowType", bound=_Row)


def _around(row: _RowType, low: float | None, value: float, high: float | None) -> _RowType:
    """The row, if the interval holds the value; half an interval is none."""
    if (low is None) != (high is None):
        raise ValueError("an interval has two ends or none")
    if low is not None and high is not None and not low - ROUNDING <= value <= high + ROUNDING:
        raise ValueError(f"the interval must hold the value, got {value:g} with {low:g} to {high:g}")
    return row
