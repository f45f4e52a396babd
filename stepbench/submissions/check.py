"""Check a submission from end to end: unpack, read, compare, score a sample again, and give a badge."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from stepbench.board.badges import VERDICT
from stepbench.canonical import sha256_file
from stepbench.errors import StepbenchError, UsageError
from stepbench.records import Suite
from stepbench.runs.journal import saving
from stepbench.submissions.limits import Limits, SubmissionError
from stepbench.submissions.offline import offline_checks
from stepbench.submissions.outcome import Check
from stepbench.submissions.read import Submission, read_submission
from stepbench.submissions.scan import find_run
from stepbench.submissions.unpack import unpack
from stepbench.submissions.verdict import Verdict, write_verdict


def check_submission(
    path: str | Path,
    *,
    suite: Suite | None = None,
    rescore: int = 8,
    seed: int = 0,
    statement_required: bool = False,
    remade: str | Path | None = None,
    accept: str | Path | None = None,
    device: str = "cpu",
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Verdict:
    """Check a run folder, or an archive that holds one.

    The verdict of a folder is written into it as `verification.json`; an archive is unpacked into a scratch folder that
    is removed again, unless `accept` takes the run over.

    Args:
        suite: The suite as it is known here; None looks it up by the run's word for it.
        rescore: Clips whose scores are computed again; 0 computes none.
        seed: Draws these clips.
        statement_required: A submission without a contamination statement fails.
        remade: A run by the same plan that somebody else has made.
        accept: Folder of runs that an archive's run is moved to if no check fails.
        device: Where networks of metrics compute.

    Raises:
        UsageError: There is nothing at `path`, or `accept` cannot be had.
        SubmissionError: The submission is refused unread: unsafe, too large, or not in the format.
        IncompleteError: The verdict or the run cannot be saved.
    """
    path = Path(path)
    if rescore < 0:
        raise UsageError(f"--rescore counts clips, got {rescore}", hint="0 computes nothing again")
    if path.is_symlink() or not path.exists():
        raise UsageError(f"no submission at {path}", hint="give a run folder, or a .zip or .tar.gz of one")
    with _opened(path, Path(accept) if accept else None, limits) as folder:
        given = _read(folder, limits)
        verdict = _verdict(given, suite, limits, rescore, seed, statement_required, remade, device)
        if path.is_dir():
            write_verdict(verdict, folder / VERDICT)
        elif accept is not None and verdict.badge is not None:
            write_verdict(verdict, folder / VERDICT)
            _take_over(folder, Path(accept), verdict.run)
    return verdict


@contextmanager
def _opened(path: Path, accept: Path | None, limits: Limits) -> Iterator[Path]:
    if path.is_dir():
        if accept is not None:
            raise UsageError("--accept is for archives", hint=f"move {path} to the other runs yourself")
        yield path
        return
    if accept is not None and not accept.is_dir():
        raise UsageError(f"no folder of runs at {accept}", hint="make it first")
    # Beside the runs it is on their disk, so that taking over is one step.
    with saving(accept or Path(tempfile.gettempdir())):
        scratch = Path(tempfile.mkdtemp(prefix=".submission-", dir=accept))
    try:
        unpack(path, scratch, limits)
        yield find_run(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _read(folder: Path, limits: Limits) -> Submission:
    try:
        return read_submission(folder, limits)
    except SubmissionError:
        raise
    except StepbenchError as error:
        raise SubmissionError(error.message, hint=error.hint) from error


def _verdict(
    given: Submission,
    suite: Suite | None,
    limits: Limits,
    rescore: int,
    seed: int,
    statement_required: bool,
    remade: str | Path | None,
    device: str,
) -> Verdict:
    checks = offline_checks(given, limits, suite=suite, statement_required=statement_required)
    rescored, not_rescored = {}, dict[str, str]()
    sound = all(check.result != "failed" for check in checks)
    if sound and rescore:
        # These need torch, which takes seconds to import and which the checks before do without.
        from stepbench.submissions.known_metrics import check_metrics
        from stepbench.submissions.rescore import check_rescored

        metrics, here, not_rescored = check_metrics(given)
        checks.append(metrics)
        if metrics.result == "passed":
            drawn = np.random.default_rng(seed)
            again, rescored = check_rescored(given, here, count=rescore, rng=drawn, device=device)
            checks.append(_all_or_skipped(again, given, not_rescored))
            rescored = {**rescored, "seed": seed} if rescored else {}
    if sound and remade is not None:
        from stepbench.submissions.rescore import check_remade

        checks.append(check_remade(given, read_submission(Path(remade), limits)))
    return Verdict(
        run=given.info["run_id"],
        sums=sha256_file(given.folder / "SHA256SUMS") if "SHA256SUMS" in given.names else "",
        checks=tuple(checks),
        rescored=rescored,
        not_rescored=not_rescored,
    )


def _all_or_skipped(again: Check, given: Submission, not_here: dict[str, str]) -> Check:
    """Passed only if every metric with values per clip was computed again: the badge speaks for all of them."""
    left = [
        metric_id
        for metric_id in not_here
        if given.cards[metric_id].get("level") != "set"
        and any(row["status"] == "ok" for row in given.scores[metric_id].values())
    ]
    if again.result != "passed" or not left:
        return again
    detail = f"{again.detail}; not computed here: {left[0]} ({not_here[left[0]]})"
    return Check(name=again.name, result="skipped", detail=detail)


def _take_over(folder: Path, runs: Path, name: str) -> None:
    target = runs / name
    if target.exists():
        raise UsageError(f"there is a run {name!r} in {runs} already", hint="remove it, or have the run renamed")
    with saving(target):
        folder.chmod(0o755)
        folder.rename(target)
