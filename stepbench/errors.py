"""Errors that a user can act on: the rule, the offending value, and the way out.

Every error carries the exit code of the command line (see `docs/exit-codes.md`), so a script can tell a wrong option
from an incomplete run without reading text.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process exit status means. 1 is left to unexpected crashes alone."""

    OK = 0
    USAGE = 2
    INCOMPLETE = 3
    NOT_COMPARABLE = 4
    NOTHING_SELECTED = 5
    REGRESSION = 10
    INCONCLUSIVE = 11
    ENVIRONMENT = 12
    INTERRUPTED = 130


class StepbenchError(Exception):
    """Base of all expected errors.

    Args:
        message: The broken rule together with the value that broke it.
        hint: What to do about it; printed on a line of its own.
    """

    exit_code: ExitCode = ExitCode.USAGE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class UsageError(StepbenchError):
    """An option, a file or a name that cannot be used as given."""


class SuiteError(StepbenchError):
    """A suite that breaks the format; the message names file and line."""


class RunFolderError(StepbenchError):
    """A run folder that cannot be read or continued."""


class IncompleteError(StepbenchError):
    """Work ended with gaps, or results could not be saved."""

    exit_code = ExitCode.INCOMPLETE


class NotComparableError(StepbenchError):
    """Two runs differ in something that decides what the numbers mean."""

    exit_code = ExitCode.NOT_COMPARABLE


class NothingSelectedError(StepbenchError):
    """A selection that leaves no sample, clip, metric or run to work on."""

    exit_code = ExitCode.NOTHING_SELECTED


class EnvironmentUnfitError(StepbenchError):
    """This machine lacks what the command needs."""

    exit_code = ExitCode.ENVIRONMENT


class Refused(Exception):
    """Raised by a generator that declines a prompt; the sample's outcome becomes `refused`."""
