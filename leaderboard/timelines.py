"""Runs in the order in which they were made, each with the verdict of its last gate. No Streamlit."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd

from leaderboard.wording import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

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


def last_verdicts(gates: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Run name -> verdict of the last gate in which it was the candidate."""
    return {gate["candidate"]["run"]: gate["verdict"] for gate in gates}


def gate_rows(
    gates: Sequence[dict[str, Any]], said: Callable[[str], str] = str, titles: Mapping[str, str] = MappingProxyType({})
) -> pd.DataFrame:
    """One row per verdict, the newest first: checked_at, verdict, candidate, baseline, suite, metrics, reasons.

    Args:
        gates: As `BoardData.gates`.
        said: Words a verdict for the reader.
        titles: Metric name -> what it is called.
    """
    return pd.DataFrame(
        [
            {
                "checked_at": moment(gate["checked_at"]),
                "verdict": said(gate["verdict"]),
                "candidate": gate["candidate"]["run"],
                "baseline": gate["baseline"]["run"],
                "suite": gate["suite"],
                "metrics": ", ".join(
                    f"{titles.get(row['metric'], row['metric'])}: {said(row['verdict'])}" for row in gate["metrics"]
                ),
                "reasons": "; ".join(
                    reason for row in gate["metrics"] if row["verdict"] != "pass" for reason in row["reasons"]
                ),
            }
            for gate in reversed(gates)
        ],
        columns=["checked_at", "verdict", "candidate", "baseline", "suite", "metrics", "reasons"],
    )
