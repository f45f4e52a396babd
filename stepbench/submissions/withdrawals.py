"""Runs that were taken back: they stay on the board with the reason, and the journal says who was told when."""

from __future__ import annotations

from pathlib import Path

from stepbench import __version__
from stepbench.errors import UsageError
from stepbench.provenance import now
from stepbench.runs.folder import RunFolder
from stepbench.runs.journal import Journal, read_journal

JOURNAL = "withdrawals.jsonl"
"""Beside the run folders, since a withdrawn run's own files stay as they are."""

MOST_WORDS = 1000


def withdraw(run: str | Path, why: str, *, back: bool = False) -> None:
    """Add a line to the journal of withdrawals.

    Args:
        run: Run folder.
        why: Reason, shown on the board.
        back: The withdrawal is undone, with its reason; the earlier line stays.

    Raises:
        UsageError: No reason is given, or it is too long; or there is nothing to undo.
        RunFolderError: There is no run.
        IncompleteError: The journal cannot be written.
    """
    # "runs/x/" and "." name the same folder as "runs/x".
    path, why = Path(run).resolve(), " ".join(why.split())
    if not 0 < len(why) <= MOST_WORDS:
        raise UsageError(f"--why takes 1 to {MOST_WORDS} characters, got {len(why)}", hint="say it in a sentence")
    info = RunFolder(path).read_info()
    if back and path.name not in read_withdrawals(path.parent):
        raise UsageError(f"{path.name} is not withdrawn", hint="leave --back out to withdraw it")
    with Journal(path.parent / JOURNAL) as journal:
        row = {"run": path.name, "run_id": info.get("run_id"), "withdrawn": not back, "why": why}
        journal.append([{**row, "at": now(), "stepbench": __version__}])


def read_withdrawals(runs: Path) -> dict[str, str]:
    """Name of the run folder -> reason, of the runs in `runs` that are withdrawn now.

    Raises:
        RunFolderError: A line of the journal is broken.
    """
    rows = {row.get("run"): row for row in read_journal(runs / JOURNAL)}
    return {str(name): str(row.get("why", "")) for name, row in rows.items() if row.get("withdrawn")}
