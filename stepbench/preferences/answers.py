"""What an annotator answered, checked against the protocol and spelled out as one judgement per question and clip."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stepbench.canonical import sha256_json
from stepbench.preferences.database import storable
from stepbench.preferences.errors import VoteRefusedError
from stepbench.preferences.protocol import RATINGS, Protocol
from stepbench.preferences.records import OVERALL

Winners = str | Mapping[str, str] | None
Ratings = Mapping[str, Mapping[str, int]] | None
SAME = {"left": "a", "right": "b"}
LONGEST_COMMENT = 2000


@dataclass(frozen=True)
class Judgement:
    """One answer: a winner, or a rating of one clip."""

    dimension: str
    winner: str | None = None
    rating: int | None = None
    rated_clip: str | None = None


@dataclass(frozen=True)
class Answers:
    """All that was answered about one pair."""

    judgements: tuple[Judgement, ...]
    reasons: tuple[str, ...] = ()
    comment: str = ""

    @property
    def skipped(self) -> bool:
        """Whether the pair was skipped."""
        return self.judgements[0].winner == "skip"

    def sha256(self, assignment_id: str, supersedes: str | None) -> str:
        """Hash of the content, by which a vote sent twice is told from another one under the same id."""
        return sha256_json([assignment_id, supersedes, asdict(self)])


def read_answers(
    protocol: Protocol, winner: Winners, ratings: Ratings, reasons: Iterable[str], comment: str | None
) -> Answers:
    """Check answers against the protocol.

    Args:
        winner: The answer to the main question, or dimension -> answer: "a" (or "left"), "b" (or "right"), "tie",
            "both_bad"; "skip" for the whole pair.
        ratings: {"a": {dimension: 1 to 5}, "b": {...}}.
        reasons: Ids of the protocol's reasons.
        comment: Free text, where the protocol takes it.

    Raises:
        VoteRefusedError: What the protocol does not know, or lacks; names the rule and the answers there are.
    """
    chips, text = _reasons(protocol, reasons), _comment(protocol, comment)
    main = protocol.main_question
    dimension = main.id if main else OVERALL
    if winner == "skip":
        if not protocol.skip or ratings:
            problem = "a skipped pair has no ratings" if protocol.skip else f"protocol {protocol.name} has no skip"
            raise VoteRefusedError(problem, hint="answer the questions instead")
        return Answers((Judgement(dimension, winner="skip"),), chips, text)
    winners = dict(winner) if isinstance(winner, Mapping) else {} if winner is None else {dimension: winner}
    judgements = [*_winners(protocol, winners), *_ratings(protocol, ratings or {})]
    answered = {judgement.dimension for judgement in judgements}
    missing = [question.id for question in protocol.questions if question.required and question.id not in answered]
    if missing or not judgements:
        raise VoteRefusedError(
            f"protocol {protocol.name} wants answers to {', '.join(missing) or 'at least one question'} as well",
            hint='winner="a" or {dimension: "a"}; ratings={"a": {dimension: 4}, "b": {dimension: 2}}',
        )
    return Answers(tuple(judgements), chips, text)


def _winners(protocol: Protocol, winners: Mapping[str, str]) -> list[Judgement]:
    known = {question.id: question for question in protocol.pairwise}
    for dimension, winner in winners.items():
        if dimension not in known:
            raise VoteRefusedError(
                f"protocol {protocol.name} asks for no winner in {dimension!r}",
                hint=f"it asks for {', '.join(known) or 'ratings only'}",
            )
        choices = known[dimension].choices
        if not isinstance(winner, str) or SAME.get(winner, winner) not in choices:
            allowed = [*choices, *(["skip"] if protocol.skip else [])]
            raise VoteRefusedError(
                f"the winner in {dimension} must be one of {', '.join(allowed)}, got {winner!r}",
                hint='"a" is the clip on the left, "b" the one on the right',
            )
    return [Judgement(name, winner=SAME.get(winners[name], winners[name])) for name in known if name in winners]


def _ratings(protocol: Protocol, ratings: Mapping[str, Mapping[str, int]]) -> list[Judgement]:
    known = [question.id for question in protocol.ratings]
    judgements = []
    for clip, numbers_given in ratings.items():
        side = SAME.get(clip, clip)
        if side not in ("a", "b") or not isinstance(numbers_given, Mapping):
            raise VoteRefusedError(
                f"ratings are given per clip, a and b, got {clip!r}: {numbers_given!r}",
                hint='ratings={"a": {dimension: 4}, "b": {dimension: 2}}',
            )
        for dimension, rating in numbers_given.items():
            if dimension not in known:
                raise VoteRefusedError(
                    f"protocol {protocol.name} asks for no rating of {dimension!r}",
                    hint=f"it asks for {', '.join(known) or 'no ratings'}",
                )
            if isinstance(rating, bool) or not isinstance(rating, numbers.Integral) or rating not in RATINGS:
                raise VoteRefusedError(f"a rating is a whole number from 1 to 5, got {rating!r} for {dimension}")
            judgements.append(Judgement(dimension, rating=int(rating), rated_clip=side))
    given = {(judgement.dimension, judgement.rated_clip) for judgement in judgements}
    for dimension in {judgement.dimension for judgement in judgements}:
        for side in ("a", "b"):
            if (dimension, side) not in given:
                raise VoteRefusedError(f"clip {side} has no rating of {dimension}", hint="rate both clips")
    order: dict[Any, int] = {name: place for place, name in enumerate(known)}
    return sorted(judgements, key=lambda one: (order[one.dimension], one.rated_clip))


def _reasons(protocol: Protocol, reasons: Iterable[str]) -> tuple[str, ...]:
    known = [reason.id for reason in protocol.reasons]
    given = (reasons,) if isinstance(reasons, str) else tuple(reasons)
    for reason in given:
        if reason not in known:
            raise VoteRefusedError(
                f"protocol {protocol.name} has no reason {reason!r}", hint=f"it has {', '.join(known) or 'none'}"
            )
    return tuple(dict.fromkeys(given))


def _comment(protocol: Protocol, comment: str | None) -> str:
    if not comment:
        return ""
    if not protocol.free_text:
        raise VoteRefusedError(
            f"protocol {protocol.name} takes no comments", hint="set free_text = true before the study begins"
        )
    if not storable(comment):
        raise VoteRefusedError("a comment cannot hold a NUL or half a surrogate pair", hint="leave it out")
    if len(comment) > LONGEST_COMMENT:
        raise VoteRefusedError(f"a comment has at most {LONGEST_COMMENT} characters, got {len(comment)}")
    return comment
