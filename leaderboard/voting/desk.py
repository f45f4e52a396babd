"""What happens at one annotator's screen: which pair is shown, and what becomes of votes. No Streamlit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from leaderboard.voting.submission import Submission, SubmissionError, read_submission
from stepbench.access.rates import RateLimiter
from stepbench.preferences import Assignment, Study
from stepbench.preferences.clock import iso
from stepbench.preferences.errors import (
    DailyCapError,
    LeaseLostError,
    StudyBusyError,
    StudyError,
    VoteConflictError,
    VoteRefusedError,
)

State = Literal["pair", "done", "wait", "cap", "busy"]
LEAST_WATCHED = 0.4
"""Share of a clip's length that its watching must have taken: at double speed it takes half."""


@dataclass(frozen=True)
class Notice:
    """A message above the pair: a key of `words/vote.toml`, and whether something went wrong."""

    key: str
    wrong: bool = False


@dataclass
class Desk:
    """One browser tab of one annotator.

    Attributes:
        seconds_of: Length in seconds of the clips of an assignment, left and right; None where there is no clip.
        shown: The pair on screen.
        shown_at: When it came there, in seconds of the study's clock.
        attempt: Grows whenever a vote is not taken and the same pair stays, so that the screen lets it be sent again.
    """

    study: Study
    annotator: str
    limiter: RateLimiter
    seconds_of: Callable[[Assignment], tuple[float | None, float | None]]
    state: State = "pair"
    shown: Assignment | None = None
    shown_at: float = 0.0
    attempt: int = 0
    notice: Notice | None = None
    undo_until: float = 0.0
    _handled: set[str] = field(default_factory=set)

    def pair(self) -> Assignment | None:
        """The pair to show; None where `state` says why there is none."""
        if self.shown is None:
            self._lease()
        return self.shown

    def can_undo(self) -> bool:
        """Whether the annotator's last vote can be taken back."""
        return self.study.now() < self.undo_until

    def vote(self, sent: Any) -> None:
        """Take what the browser sent as a vote; `notice` says what became of it, and nothing is ever stored by half."""
        try:
            submission = read_submission(sent)
        except SubmissionError:
            self._stay(Notice("not_understood", wrong=True))
            return
        if submission.vote_id in self._handled:
            return
        if self.shown is None or submission.assignment != self.shown.assignment_id:
            self._move_on(Notice("other_pair", wrong=True))
        elif not self.limiter.allow(self.annotator):
            self._stay(Notice("too_fast", wrong=True))
        elif not self._watched(submission, self.shown):
            self._stay(Notice("not_watched", wrong=True))
        else:
            self._cast(submission)

    def undo(self) -> None:
        """Take back the last vote and show its pair again."""
        if not self.limiter.allow(self.annotator):
            self._stay(Notice("too_fast", wrong=True))
            return
        try:
            assignment = self.study.undo(self.annotator)
        except StudyBusyError:
            self._stay(Notice("busy", wrong=True))
        except StudyError:
            self.undo_until = 0.0
            self._stay(Notice("undo_too_late", wrong=True))
        else:
            self.undo_until = 0.0
            self._show(assignment)
            self.notice = Notice("undone")

    def beat(self, assignment_id: Any) -> None:
        """A sign of life from the browser: the lease goes on. One that has run out is replaced."""
        if self.shown is None or assignment_id != self.shown.assignment_id:
            return
        try:
            held = self.study.heartbeat(self.shown)
        except StudyBusyError:
            return  # The next sign of life comes soon.
        if not held:
            self._move_on(Notice("lease_ended", wrong=True))

    def _cast(self, submission: Submission) -> None:
        try:
            receipt = self.study.vote(
                submission.assignment,
                submission.answer,
                ratings=submission.rated,
                reasons=submission.reasons,
                comment=submission.comment or None,
                vote_id=submission.vote_id,
                annotator=self.annotator,
                started_at=iso(min(self.shown_at, self.study.now())),
                watch_a_s=submission.watch_a_s,
                watch_b_s=submission.watch_b_s,
            )
        except VoteConflictError:
            self._move_on(Notice("voted_elsewhere", wrong=True))
        except LeaseLostError:
            self._move_on(Notice("lease_lost", wrong=True))
        except VoteRefusedError:
            self._stay(Notice("not_understood", wrong=True))
        except StudyBusyError:
            self._stay(Notice("busy", wrong=True))
        except StudyError:
            # The annotator was forgotten since the pair was shown.
            self._move_on(Notice("other_pair", wrong=True))
        else:
            self._handled.add(submission.vote_id)
            self.undo_until = self.study.now() + self.study.protocol.undo_seconds
            self._move_on(_feedback(receipt.expected, submission, self.study))

    def _watched(self, submission: Submission, shown: Assignment) -> bool:
        if submission.skip:
            return True
        watched = (submission.watch_a_s, submission.watch_b_s)
        lengths = self.seconds_of(shown)
        return all(
            length is not None and seconds >= LEAST_WATCHED * length
            for seconds, length in zip(watched, lengths, strict=True)
        )

    def _stay(self, notice: Notice) -> None:
        self.attempt += 1
        self.notice = notice

    def _move_on(self, notice: Notice | None) -> None:
        self.shown = None
        self.notice = notice
        self._lease()

    def _lease(self) -> None:
        try:
            leased = self.study.next_pair(self.annotator)
            if leased is not None:
                self._show(leased)
            else:
                self.state = "wait" if self.study.own_progress(self.annotator).with_others else "done"
        except DailyCapError:
            self.state = "cap"
        except StudyBusyError:
            self.state = "busy"

    def _show(self, assignment: Assignment) -> None:
        self.state = "pair"
        self.shown = assignment
        self.shown_at = self.study.now()
        self.attempt += 1


def _feedback(expected: str | None, submission: Submission, study: Study) -> Notice | None:
    """After a pair of the calibration round: which side was the better one, and whether that was the answer."""
    if expected is None:
        return None
    if _preferred(submission, study) == expected:
        return Notice(f"calibration_right_{expected}")
    return Notice(f"calibration_wrong_{expected}", wrong=True)


def _preferred(submission: Submission, study: Study) -> str | None:
    main = study.protocol.main_question
    if main is not None:
        return submission.winners.get(main.id)
    a, b = (sum(submission.ratings.get(side, {}).values()) for side in ("a", "b"))
    return "a" if a > b else "b" if b > a else None
