"""Rows of the overview: the board's numbers in the order and the words in which a page shows them. No Streamlit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from stepbench.wording import interval, rank

if TYPE_CHECKING:
    from leaderboard.data import BoardData

TEXTS = ("interval", "rank", "scored")
"""Columns that `table_rows` adds for people."""


def table_rows(board: BoardData, table_id: str, cut: str, group: str) -> pd.DataFrame:
    """One row per run and metric of a table, for all prompts (`all`, ""), a category or a language.

    Columns: run, label, then those of the board's summary, then the texts `interval`, `rank` and `scored`.
    """
    summary = board.summary
    chosen = summary[(summary.table_id == table_id) & (summary.cut == cut) & (summary["group"] == group)]
    labels = board.runs.loc[chosen.run, "label"].to_numpy()
    texts = {
        "interval": [interval(*ends) for ends in zip(chosen.low, chosen.high, strict=True)],
        "rank": [rank(*ends) for ends in zip(chosen.rank_low, chosen.rank_high, strict=True)],
        "scored": [f"{n}/{of}" for n, of in zip(chosen.n_scored, chosen.n_planned, strict=True)],
    }
    columns = ["run", "label", *(name for name in chosen.columns if name != "run")]
    return chosen.assign(label=labels)[columns].assign(**texts).reset_index(drop=True)


def of_metric(frame: pd.DataFrame, metric_id: str, direction: str) -> pd.DataFrame:
    """The rows of one metric, best first; runs that were not scored come last."""
    chosen = frame[frame.metric_id == metric_id]
    order = chosen.assign(better=chosen["mean"] if direction == "lower" else -chosen["mean"])
    return order.sort_values(["rank_low", "rank_high", "better"], kind="stable").drop(columns="better")


def wide(frame: pd.DataFrame, titles: Mapping[str, str], order: list[str]) -> pd.DataFrame:
    """One row per run, three columns (mean, 95 % interval, rank) per metric; two header rows.

    Args:
        frame: As from `table_rows`.
        titles: metric_id -> text of the upper header, in the order of the columns.
        order: Runs in the order of the rows; runs without the sorting metric follow.
    """
    names = list(dict.fromkeys([*order, *frame.run]))
    least = frame.sort_values("n_scored", kind="stable").drop_duplicates("run").set_index("run").loc[names]
    columns: dict[tuple[str, str], Any] = {
        ("", "Generator"): least.label,
        ("", "Prompts"): least.n_units,
        ("", "Scored"): least.scored,
    }
    for metric_id, title in titles.items():
        of_run = frame[frame.metric_id == metric_id].set_index("run").reindex(names)
        columns[(title, "mean")] = of_run["mean"]
        columns[(title, "95 %")] = of_run["interval"]
        if of_run.rank_low.notna().any():
            columns[(title, "rank")] = of_run["rank"]
    return pd.DataFrame(columns, index=names)
