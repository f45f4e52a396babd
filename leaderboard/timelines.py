"""Runs in the order in which they were made, each with the verdict of its last gate. No Streamlit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stepbench.board.gates import last_verdicts

if TYPE_CHECKING:
    from leaderboard.data import BoardData


def timeline_rows(board: BoardData, table_id: str, metric_id: str) -> pd.DataFrame:
    """One row per run of a table: run, label, generator, created_at, mean, low, high, rank, scored, verdict."""
    summary = board.summary(table_id, "all", "")
    rows = summary.loc[summary.metric_id == metric_id, ["run", "mean", "low", "high", "interval", "rank", "scored"]]
    facts = board.runs.loc[rows.run, ["label", "generator", "created_at", "status", "badge"]].reset_index(drop=True)
    verdicts = last_verdicts(board.gates)
    rows = pd.concat([rows.reset_index(drop=True), facts], axis=1)
    rows["verdict"] = [verdicts.get(run, "") for run in rows.run]
    return rows.sort_values("created_at", kind="stable", ignore_index=True)
