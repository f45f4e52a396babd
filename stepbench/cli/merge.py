"""`stepbench merge shard-1/RUN shard-2/RUN -o runs/RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.report_run import report_run


def merge_command(
    runs: list[Path], /, *, out: Annotated[Path, Parameter(name=["--out", "-o"])], json: Json = False
) -> int:
    """Merge shards that were run in separate folders into one run. Shards of one folder need no merging.

    Args:
        runs: Run folders with the same plan.
        out: The run folder to write.
    """
    from stepbench.runs.merge import merge_runs

    return report_run(merge_runs(runs, out), json=json)
