"""What a browser sends as a vote: checked before anything is done with it. No Streamlit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stepbench.errors import StepbenchError
from stepbench.preferences.answers import LONGEST_COMMENT

_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_Name = Annotated[str, Field(max_length=50)]
_Seconds = Annotated[float, Field(ge=0, le=86400)]
MOST_ANSWERS = 50


class SubmissionError(StepbenchError):
    """A vote that no page of ours has sent."""


class Submission(BaseModel):
    """A vote as it comes in. `watch_a_s` and `watch_b_s` are seconds in which a clip played in sight."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    assignment: _Id
    vote_id: _Id
    skip: bool
    winners: dict[_Name, _Name] = Field(default={}, max_length=MOST_ANSWERS)
    ratings: dict[Literal["a", "b"], Annotated[dict[_Name, int], Field(max_length=MOST_ANSWERS)]] = {}
    reasons: list[_Name] = Field(default=[], max_length=MOST_ANSWERS)
    comment: str = Field(default="", max_length=LONGEST_COMMENT)
    watch_a_s: _Seconds
    watch_b_s: _Seconds

    @property
    def answer(self) -> str | dict[str, str] | None:
        """As `Study.vote` takes it."""
        return "skip" if self.skip else dict(self.winners) or None

    @property
    def rated(self) -> dict[str, dict[str, int]] | None:
        """As `Study.vote` takes it; None where nothing was rated."""
        given = {str(side): dict(ratings) for side, ratings in self.ratings.items() if ratings}
        return None if self.skip else given or None


def read_submission(sent: Any) -> Submission:
    """Check what came in.

    Raises:
        SubmissionError: Not the form of a vote; names the place, and repeats nothing of what was sent.
    """
    try:
        return Submission.model_validate(sent)
    except ValidationError as error:
        known = {str(item["loc"][0]) for item in error.errors() if item["loc"]} & set(Submission.model_fields)
        raise SubmissionError(
            f"not the form of a vote: {', '.join(sorted(known)) or 'unknown or missing fields'}",
            hint="reload the page and vote again",
        ) from None
