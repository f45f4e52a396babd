"""What can go wrong in a preference study, each with an exit code and a way out."""

from __future__ import annotations

from stepbench.errors import EnvironmentUnfitError, ExitCode, StepbenchError


class StudyError(StepbenchError):
    """A study, a protocol or a table of pairs that cannot be used as it is."""


class VoteRefusedError(StudyError):
    """A vote that breaks a rule of the study; nothing of it was stored."""


class VoteConflictError(VoteRefusedError):
    """A vote id that is known with another content, or a second vote where one stands already."""


class LeaseLostError(VoteRefusedError):
    """The time to vote on a pair has run out, and others have filled its places since."""


class DailyCapError(StudyError):
    """An annotator has given as many votes today as the protocol allows."""


class StudyBusyError(EnvironmentUnfitError):
    """The database could not be reached or stayed locked; nothing was stored, and the same call may be repeated."""


class StudyIncompleteError(StudyError):
    """Work ended with gaps."""

    exit_code = ExitCode.INCOMPLETE
