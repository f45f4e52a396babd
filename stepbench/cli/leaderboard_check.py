"""`stepbench leaderboard check SUBMISSION`, and `stepbench leaderboard withdraw RUN --why TEXT`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepbench.cli.options import Json, MetricDevice
from stepbench.cli.output import note, print_records, print_table
from stepbench.errors import ExitCode


def check(
    submission: Path,
    /,
    *,
    suite: Annotated[str | None, Parameter(name=["--suite", "-t"])] = None,
    rescore: int = 8,
    seed: int = 0,
    require_statement: Annotated[bool, Parameter(negative="")] = False,
    remade: Path | None = None,
    accept: Path | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    metric_device: MetricDevice = "cpu",
    json: Json = False,
) -> int:
    """Check a run that was handed in, and give it a badge.

    Files against their sums, the plan against the suite, the summary against the rows, and the scores of some clips
    computed again. A folder gets the verdict as verification.json; `leaderboard build` shows the badge. Exit code 2: it
    is refused unread. 3: a check failed.

    Args:
        submission: Run folder, or a .zip or .tar.gz of one.
        suite: Suite to check against; by default the installed one of the run's suite name.
        rescore: Number of clips whose scores are computed again; 0 computes none.
        seed: Draws these clips.
        require_statement: Fail without a contamination statement.
        remade: A run by the same plan that you have made; its agreement is what `verified` means.
        accept: Folder of runs that the run of an archive is moved to if no check fails.
        out: File that gets the verdict as well.
    """
    from stepbench.runs.device import choose_device
    from stepbench.submissions.check import check_submission
    from stepbench.submissions.verdict import write_verdict
    from stepbench.suites import load_suite

    verdict = check_submission(
        submission,
        suite=load_suite(suite) if suite else None,
        rescore=rescore,
        seed=seed,
        statement_required=require_statement,
        remade=remade,
        accept=accept,
        device=choose_device(metric_device),
    )
    record = verdict.to_json()
    if out is not None:
        write_verdict(verdict, out)
    if json:
        print_records([record])
    else:
        print_table(record["checks"], ["name", "result", "detail"], title=f"Submission {verdict.run}")
    for metric_id, why in verdict.not_rescored.items():
        note(f"not computed again: {metric_id}: {why}")
    if verdict.badge is None:
        note(f"{verdict.run}: no badge, a check failed")
        return ExitCode.INCOMPLETE
    note(f"{verdict.run}: {verdict.badge}{f', moved to {accept / verdict.run}' if accept else ''}")
    return ExitCode.OK


def withdraw(run: Path, /, *, why: str, back: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Withdraw a run: the next build shows it struck through, with the reason. Nothing is deleted.

    Args:
        run: Run folder.
        why: Reason.
        back: Undo a withdrawal, with the reason for that.
    """
    from stepbench.submissions.withdrawals import withdraw as write

    write(run, why, back=back)
    note(f"{run}: {'no longer withdrawn' if back else 'withdrawn'}; `stepbench leaderboard build` shows it")
    return ExitCode.OK
