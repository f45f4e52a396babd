"""Every two runs of a table against each other, as `stepbench compare` does; kept from build to build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from stepbench import __version__
from stepbench.board.folder import BoardFolder, folder_in_one_step
from stepbench.board.part import Part
from stepbench.canonical import sha256_json
from stepbench.errors import IncompleteError, StepbenchError
from stepbench.progress import track
from stepbench.runs.run import Run

MOST_COMPARED = 20
"""Runs of a table that are compared with each other unless asked otherwise: pairs grow with the square."""

NUMBERS = (
    *("n", "mean_a", "mean_b", "difference", "low", "high", "p", "p_adjusted", "verdict"),
    *("wins", "ties", "losses", "detectable_effect"),
)
PAIR_COLUMNS = ("table_id", "run_a", "run_b", "metric_id", "cut", "group", *NUMBERS, "problem")
"""Columns of `pairs.parquet`. Differences are b - a, wins are those of b; a pair that cannot be compared has one row
with its problem."""


def compared_runs(summary: pd.DataFrame, runs: Sequence[str], most: int) -> list[str]:
    """The runs of a table that are compared: all, or those with the best worst ranks over the metrics.

    Args:
        summary: Rows of the table, as `table_summary` makes them.
        runs: Names of all its runs.
        most: Number of runs.
    """
    if len(runs) <= most:
        return list(runs)
    ranks = summary[summary.cut == "all"].groupby("run").rank_high.mean().reindex(list(runs))
    return list(ranks.sort_values(kind="stable", na_position="last").index[:most])


def pair_table(
    table_id: str, parts: Mapping[str, Part], folders: Mapping[str, Path], board: BoardFolder
) -> pd.DataFrame:
    """All pairs of the runs given, with `PAIR_COLUMNS`.

    Args:
        table_id: Of the table they stand in.
        parts: Run name -> part, of the runs to compare.
        folders: Run name -> run folder.
        board: Where pairs that have not changed are found again.
    """
    pairs = list(combinations(parts, 2))
    opened: dict[str, Run] = {}
    frames = []
    for a, b in track(pairs, total=len(pairs), description="pairs"):
        file = board.pairs / pair_name(parts[a], parts[b]) / "pair.parquet"
        if not file.is_file():
            for name in (a, b):
                opened.setdefault(name, Run(folders[name]))
            with folder_in_one_step(file.parent) as scratch:
                _compared(opened[a], opened[b]).to_parquet(scratch / file.name, index=False)
        frames.append(pd.read_parquet(file).assign(table_id=table_id, run_a=a, run_b=b))
    if not frames:
        return pd.DataFrame(columns=list(PAIR_COLUMNS))
    return pd.concat(frames, ignore_index=True).loc[:, list(PAIR_COLUMNS)]


def pair_name(a: Part, b: Part) -> str:
    """Name of the folder in which a pair is kept: changes with either run and with this program."""
    return sha256_json([__version__, a.digest, b.digest])[:32]


def _compared(a: Run, b: Run) -> pd.DataFrame:
    from stepbench.comparison import compare

    frames: list[pd.DataFrame] = []
    problem = None
    for cut in (None, "category", "language"):
        try:
            table: Any = compare(a, b, by=cut).table()
        except IncompleteError:
            raise
        except StepbenchError as error:
            # Runs of one table may still have nothing in common, such as scores of other metrics.
            problem = problem or error.message
            continue
        group = table[cut] if cut else ""
        frames.append(
            table.assign(cut=cut or "all", group=group).reindex(columns=["metric_id", "cut", "group", *NUMBERS])
        )
    if not frames:
        nothing = dict.fromkeys(["metric_id", "cut", "group", *NUMBERS])
        return pd.DataFrame([{**nothing, "cut": "all", "group": "", "problem": problem}]).astype(
            {name: "float64" for name in NUMBERS if name != "verdict"}
        )
    found = pd.concat(frames, ignore_index=True)
    return found.astype({name: "float64" for name in NUMBERS if name != "verdict"}).assign(problem=None)
