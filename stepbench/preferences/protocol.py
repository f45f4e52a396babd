"""What annotators are asked, how often, and which rules exclude an annotator: fixed before the first vote."""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from stepbench.preferences.errors import StudyError
from stepbench.preferences.records import OVERALL

BUILT_IN = ("step-video", "pairwise", "pairwise-dimensions", "likert")
CHOICES = ("a", "b", "tie", "both_bad")
RATINGS = (1, 2, 3, 4, 5)
ID_PATTERN = r"^[a-z][a-z0-9_]{0,49}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Words(_Strict):
    """A text in the languages of annotators; English must be there and stands in for the others."""

    en: str = Field(min_length=1)
    zh: str = ""
    ja: str = ""

    def in_language(self, language: str) -> str:
        """The text for a BCP 47 code such as `zh` or `ja-JP`."""
        return {"zh": self.zh, "ja": self.ja}.get(language.split("-")[0].lower(), "") or self.en


class Question(_Strict):
    """One question about a pair.

    Attributes:
        id: Its dimension in the table of votes; `overall` asks which clip is better altogether.
        form: `pairwise` has one answer per pair, `rating` one number from 1 to 5 per clip.
        choices: Of a pairwise question: those of "a", "b", "tie" and "both_bad" that may be answered.
        anchors: Of a rating: what 1, 2, 3, 4 and 5 mean, in this order.
        required: Whether a vote without an answer to it is refused.
    """

    id: str = Field(pattern=ID_PATTERN)
    form: Literal["pairwise", "rating"]
    text: Words
    choices: list[Literal["a", "b", "tie", "both_bad"]] = []
    anchors: list[Words] = []
    required: bool = True

    @model_validator(mode="after")
    def _complete(self) -> Question:
        if self.form == "pairwise" and (not {"a", "b"} <= set(self.choices) or self.anchors):
            raise ValueError(f"question {self.id!r} is pairwise: its choices hold at least a and b, and no anchors")
        if self.form == "rating" and (len(self.anchors) != len(RATINGS) or self.choices):
            raise ValueError(f"question {self.id!r} is a rating: it has five anchors, for 1 to 5, and no choices")
        return self


class Reason(_Strict):
    """A chip that an annotator may add to a vote."""

    id: str = Field(pattern=ID_PATTERN)
    text: Words


class Exclusion(_Strict):
    """Rules by which an annotator's votes are left out of results. 0 switches a rule off.

    Attributes:
        gold_pass_rate: Least share of gold pairs answered as expected, once `min_gold` were answered.
        repeat_consistency: Least share of repeated pairs answered alike, once `min_repeats` were answered.
        fast_share: Largest share of votes given in less time than the longer clip lasts.
        side_bias_z: Largest |z| of left against right among decided votes, against a fair coin.
        tie_share: Largest share of ties (and both bad) among pairwise answers.
        min_votes: The last three need at least so many votes of this annotator.
    """

    gold_pass_rate: float = Field(default=0.8, ge=0, le=1)
    min_gold: int = Field(default=5, ge=1)
    repeat_consistency: float = Field(default=0.5, ge=0, le=1)
    min_repeats: int = Field(default=5, ge=1)
    fast_share: float = Field(default=0.3, ge=0, le=1)
    side_bias_z: float = Field(default=4.0, ge=0)
    tie_share: float = Field(default=0.8, ge=0, le=1)
    min_votes: int = Field(default=20, ge=1)


class Protocol(_Strict):
    """A study's rules. Frozen: a study keeps the text it was made with, and its hash.

    Attributes:
        target_votes: Votes wanted per pair; skipped ones do not count.
        overlap_share: Share of pairs, chosen by seed, that get at least `overlap_votes` votes, to measure agreement.
        gold_share: Gold pairs planned per real pair.
        repeat_share: Share of real pairs that an annotator who has judged them gets once more, sides swapped.
        repeat_distance: Pairs of an annotator that lie between the first time and the second, at least.
        calibration: Pairs at an annotator's beginning that do not count and after which the answer is shown.
        lease_minutes: How long a pair is kept for an annotator from whom nothing is heard.
        daily_cap: Votes of one annotator per day (UTC); 0 for no limit. Simulated annotators have none.
        undo_seconds: How long one's own vote can be taken back or corrected.
        skip: Whether a pair may be skipped ("cannot tell", "the video is broken").
        free_text: Whether a vote may carry a comment; comments are deleted when an annotator is forgotten.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    version: str = Field(min_length=1)
    title: Words
    instructions: Words
    questions: list[Question] = Field(min_length=1)
    reasons: list[Reason] = []
    target_votes: int = Field(default=3, ge=1)
    overlap_share: float = Field(default=0.2, ge=0, le=1)
    overlap_votes: int = Field(default=3, ge=1)
    gold_share: float = Field(default=0.08, ge=0, le=1)
    repeat_share: float = Field(default=0.05, ge=0, le=1)
    repeat_distance: int = Field(default=20, ge=1)
    calibration: int = Field(default=4, ge=0)
    lease_minutes: float = Field(default=10, gt=0)
    daily_cap: int = Field(default=1000, ge=0)
    undo_seconds: float = Field(default=60, ge=0)
    skip: bool = True
    free_text: bool = False
    exclusion: Exclusion = Exclusion()

    @field_validator("questions", "reasons")
    @classmethod
    def _distinct(cls, items: list[Any]) -> list[Any]:
        seen: set[str] = set()
        for item in items:
            if item.id in seen:
                raise ValueError(f"id {item.id!r} is used twice")
            seen.add(item.id)
        return items

    @property
    def pairwise(self) -> tuple[Question, ...]:
        """The questions with one answer per pair."""
        return tuple(question for question in self.questions if question.form == "pairwise")

    @property
    def ratings(self) -> tuple[Question, ...]:
        """The questions with one number per clip."""
        return tuple(question for question in self.questions if question.form == "rating")

    @property
    def main_question(self) -> Question | None:
        """The question which clip is better: `overall`, else the first pairwise one; None where all are ratings."""
        overall = [question for question in self.pairwise if question.id == OVERALL]
        return (overall or list(self.pairwise) or [None])[0]


def load_protocol(source: str | Path) -> tuple[Protocol, str]:
    """A built-in protocol by name, or one from a TOML file, together with its text.

    Raises:
        StudyError: No such protocol, or a file that breaks the format; names the key, with the nearest known one.
    """
    if str(source) in BUILT_IN:
        text = (resources.files("stepbench.preferences") / "protocols" / f"{source}.toml").read_text(encoding="utf-8")
        return parse_protocol(text, str(source)), text
    path = Path(source)
    if not path.is_file():
        close = difflib.get_close_matches(str(source), BUILT_IN, n=1) or BUILT_IN
        raise StudyError(
            f"no protocol {str(source)!r}: neither built in nor a file",
            hint=f"did you mean {' or '.join(close)}? your own goes into a TOML file, see docs/preference-studies.md",
        )
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not UTF-8: byte {error.start}", hint="save it as UTF-8") from error
    return parse_protocol(text, str(path)), text


def parse_protocol(text: str, source: str = "protocol") -> Protocol:
    """Read a protocol from TOML.

    Raises:
        StudyError: As `load_protocol`.
    """
    try:
        return Protocol.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{source}: not TOML: {error}", hint="mend the line named above") from error
    except ValidationError as error:
        raise StudyError(
            f"{source} breaks the format of a protocol:\n  " + "\n  ".join(_problems(error)),
            hint="`stepbench prefs new --help` and docs/preference-studies.md describe the keys",
        ) from error


def protocol_sha256(text: str) -> str:
    """Hex sha256 of a protocol's text: what a study froze."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


_MODELS: dict[str, type[BaseModel]] = {"questions": Question, "reasons": Reason, "exclusion": Exclusion}


def _problems(error: ValidationError) -> list[str]:
    problems = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            known = _known_keys(item["loc"])
            close = difflib.get_close_matches(str(item["loc"][-1]), known, n=1) or known
            problems.append(f"unknown key {key!r}; did you mean {' or '.join(close)}?")
        elif item["type"] == "missing":
            problems.append(f"missing key {key!r}")
        else:
            said = item["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
            problems.append(f"{key}: {said}, got {item['input']!r}"[:300])
    return problems


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = _MODELS.get(str(place[0]), Protocol) if len(place) > 1 else Protocol
    if len(place) > 1 and ("text" in place[:-1] or "anchors" in place[:-1] or place[0] in ("title", "instructions")):
        model = Words
    return sorted(model.model_fields)
