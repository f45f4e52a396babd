"""`stepbench score runs/RUN -m flicker,psnr --reference runs/OTHER`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepbench.cli.options import Json, Metrics, Reference, Workers, split_names
from stepbench.cli.report_run import report_run


def score_command(
    run: Path,
    /,
    *,
    metrics: Metrics = None,
    reference: Reference = None,
    workers: Workers = 1,
    recompute: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Score a run that exists, without generating anything.

    Args:
        run: Run folder.
        recompute: Score again what is scored already.
    """
    from stepbench import api

    scored = api.score(run, metrics=split_names(metrics), reference=reference, workers=workers, recompute=recompute)
    return report_run(scored, json=json)
