"""All checks that need neither torch nor the clips' pixels; what the upload page of the leaderboard runs."""

from __future__ import annotations

from stepbench.errors import StepbenchError
from stepbench.records import Suite
from stepbench.submissions.consistency import (
    check_files,
    check_plan,
    check_samples,
    check_scores,
    check_statement,
    check_suite,
    check_summary,
    check_table,
)
from stepbench.submissions.limits import Limits
from stepbench.submissions.outcome import Check
from stepbench.submissions.read import Submission
from stepbench.suites.format import read_suite
from stepbench.suites.registry import suite_folders


def offline_checks(
    given: Submission, limits: Limits, *, suite: Suite | None = None, statement_required: bool = False
) -> list[Check]:
    """Run them all; none stops the others.

    Args:
        suite: None looks the suite up among those that are installed here, by name.
    """
    return [
        check_files(given),
        check_plan(given),
        check_suite(given, suite or installed_suite(given)),
        check_samples(given),
        check_scores(given),
        check_summary(given, limits),
        check_table(given, limits),
        check_statement(given, limits, required=statement_required),
    ]


def installed_suite(given: Submission) -> Suite | None:
    """The suite of that name that is installed here; None where there is none that can be read."""
    folder = suite_folders().get(given.info["suite"]["name"])
    try:
        return read_suite(folder) if folder else None
    except StepbenchError:
        # The check then says that the suite is not known here.
        return None
