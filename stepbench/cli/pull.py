"""`stepbench pull s3://bucket/runs/nightly -o runs`."""

from __future__ import annotations

from pathlib import Path

from stepbench.cli.options import Json, Out
from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode


def pull_command(address: str, /, *, out: Out = Path("runs"), json: Json = False) -> int:
    """Bring a run back from where `run --copy-to` has copied it; the command that made it then goes on with it.

    Args:
        address: Of the run itself, PROTOCOL://.../RUN-ID, in any form that fsspec knows.
    """
    from stepbench.runs.pull import pull_run

    pulled = pull_run(address, out)
    if json:
        print_records([{"run": str(pulled.path), "files": pulled.files, "changed": list(pulled.changed)}])
    note(f"{pulled.path}: {pulled.files} files")
    for name in pulled.changed:
        note(f"  {name} is missing there, or is not the clip of its row: the run makes it anew")
    return ExitCode.OK
