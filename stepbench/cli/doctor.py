"""`stepbench doctor`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from stepbench.cli.options import Json, Out
from stepbench.cli.output import print_records, print_table
from stepbench.errors import ExitCode


def doctor_command(*, out: Out = Path("runs"), json: Json = False) -> int:
    """Check what this machine can do. Exit code 12 when it cannot do the main job."""
    from stepbench.doctor import examine

    checks = examine(out)
    rows = [asdict(check) for check in checks]
    if json:
        print_records(rows)
    else:
        print_table(rows, ["name", "level", "finding", "way_out"])
    return ExitCode.ENVIRONMENT if any(check.level == "fail" for check in checks) else ExitCode.OK
