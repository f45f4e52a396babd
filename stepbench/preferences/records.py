"""The frozen records of a study: a planned pair, what an annotator is given, and what a vote leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["real", "gold", "repeat", "calibration"]
Winner = Literal["a", "b", "tie", "both_bad", "skip"]

KINDS: tuple[Kind, ...] = ("real", "gold", "repeat", "calibration")
WINNERS: tuple[Winner, ...] = ("a", "b", "tie", "both_bad", "skip")
OVERALL = "overall"
"""Dimension of the question that asks which clip is better altogether, and of a skipped pair."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two clips of one prompt to be judged. Numbers 1 and 2 are the plan's order; sides are drawn per annotator.

    Attributes:
        pair_id: Says nothing about the models; annotators get to see it.
        kind: `real`; `gold` (one clip is plainly worse); `repeat` (`repeat_of` once more, swapped); `calibration`.
        pair_group: The suite's pair id, which links translations of one prompt.
        clip_1: File name relative to the study folder, an absolute path or an address; None where there is no clip.
        target_votes: Votes wanted, skipped ones aside; None means once by every annotator.
        expected: "1" or "2": the clip that must be chosen; None where nothing must.
        note: How a gold pair was damaged; never shown to annotators.
        propensity: Chance with which the plan took up this pair, above 0 and at most 1.
        order: The plan's order; calibration pairs are shown in it.
    """

    pair_id: str
    prompt_id: str
    model_1: str
    model_2: str
    kind: Kind = "real"
    text: str = ""
    language: str | None = None
    category: str | None = None
    pair_group: str | None = None
    run_1: str | None = None
    run_2: str | None = None
    seed_1: int | None = None
    seed_2: int | None = None
    sample_key_1: str | None = None
    sample_key_2: str | None = None
    clip_1: str | None = None
    clip_2: str | None = None
    clip_sha256_1: str | None = None
    clip_sha256_2: str | None = None
    frames_1: int | None = None
    frames_2: int | None = None
    fps_1: float | None = None
    fps_2: float | None = None
    target_votes: int | None = None
    expected: str | None = None
    repeat_of: str | None = None
    note: str | None = None
    propensity: float = 1.0
    order: int = 0


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A pair leased to one annotator: all that this annotator may know of it.

    Attributes:
        assignment_id: To be handed to `Study.vote`; cannot be guessed.
        left: The clip on the left, or shown first: side "a" of the vote. `Study.clip_path` finds the file.
        right: The clip on the right, or shown second: side "b".
        left_frames: Number of frames, None where it is not known.
        left_fps: Frames per second, None where it is not known.
        calibration: Part of the calibration round: does not count, and the right answer is shown after the vote.
        number: Which pair this is for the annotator, from 1.
        started_at: UTC, ISO 8601: when it was first given to the annotator.
        leased_until: UTC, ISO 8601: until then nobody else gets this place; `Study.heartbeat` moves it on.
    """

    assignment_id: str
    pair_id: str
    prompt_id: str
    text: str
    language: str | None
    left: str | None
    right: str | None
    left_frames: int | None
    right_frames: int | None
    left_fps: float | None
    right_fps: float | None
    calibration: bool
    number: int
    started_at: str
    leased_until: str


@dataclass(frozen=True, kw_only=True)
class OwnProgress:
    """How far one annotator is.

    Attributes:
        judged: Pairs judged or skipped, those of the calibration round aside.
        left: Pairs that this annotator might still get, the one at hand included; others may take some of them.
        practised: Pairs of the calibration round that are done.
        practice: Pairs of the calibration round altogether.
        with_others: Real pairs that others hold now, and that come to this annotator if those do not vote.
    """

    judged: int
    left: int
    with_others: int
    practised: int
    practice: int


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of a vote.

    Attributes:
        stored: False when the same vote had been stored before, so that nothing was added.
        expected: Of calibration pairs, the side that should have been chosen ("a" or "b"); else None.
    """

    vote_id: str
    assignment_id: str
    pair_id: str
    stored: bool
    submitted_at: str
    expected: str | None = None
