"""`stepbench prefs rate STUDY`: what the votes say, with intervals."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import print_records
from stepbench.errors import ExitCode, UsageError


def rate(
    study: str,
    /,
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    annotators: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Rate models by the votes of a study: ratings and ranks with intervals, head-to-head tables, agreement.

    Exit code 4 says that in some dimension no votes connect all models, so that they share no scale.

    Args:
        study: Folder, SQLite file or URL of a study, or a file of votes (.csv, .parquet).
        draws: Random draws behind ranks and P(best).
        level: Coverage of all intervals.
        seed: Of the random draws.
        annotators: Print a table of wins, ties and losses per annotator and category, too.
    """
    import numpy as np

    from stepbench.cli.print_ratings import print_ratings
    from stepbench.preferences.ratings.study_ratings import rate_study
    from stepbench.preferences.study_tables import read_tables

    if seed < 0:
        raise UsageError(f"--seed must be at least 0, got {seed}")
    tables = read_tables(study)
    rng = np.random.default_rng(seed)
    ratings = rate_study(tables.votes, rng=rng, anchors=tables.anchors, draws=draws, level=level)
    if json:
        print_records(ratings.records())
    else:
        print_ratings(ratings, annotators=annotators)
    return ExitCode.OK if ratings.comparable else ExitCode.NOT_COMPARABLE
