"""The tables of one build, written into its data folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from stepbench.board.advisories import advisories_of
from stepbench.board.covariances import mean_covariance, packed
from stepbench.board.pairs import PAIR_COLUMNS, compared_runs, pair_name, pair_table
from stepbench.board.part import FACTS, Part
from stepbench.board.studies import study_record
from stepbench.board.tables import SUMMARY_COLUMNS, cuts, group_parts, row_labels, run_values, table_card, table_summary
from stepbench.canonical import canonical_json
from stepbench.runs.folder import write_atomically
from stepbench.runs.run import Run
from stepbench.wording import interval, rank

if TYPE_CHECKING:
    from stepbench.board.folder import BoardFolder
    from stepbench.preferences.study_tables import StudyTables

COSTS = ("seconds", "seconds_low", "seconds_high", "stages", "peak_memory_bytes", "joules")
TEXTS = ("interval", "rank", "scored")
"""Columns of the summary for people, so that no page has to word a hundred thousand numbers."""

RUN_COLUMNS = (
    "run",
    "label",
    "on_board",
    "status",
    "reason",
    "table_id",
    "part",
    "badge",
    "withdrawn",
    *FACTS,
    *(f"n_{name}" for name in ("planned", "ok", "failed", "refused", "missing")),
    *COSTS,
)
"""Columns of `runs.parquet`, one row per run folder; a run that is left out has the first five alone."""

ROWS_PER_GROUP = 4096
"""Rows that are read together: a page asks for one cut of one table, or for one pair."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a build has found.

    Attributes:
        parts: Run name -> part.
        folders: Run name -> run folder.
        badges: Run name -> badge.
        withdrawn: Run name -> reason, of runs that were taken back.
        left_out: Rows run, status and reason.
        gates: Verdicts, the newest last.
        studies: Name -> tables of a study, or why there are none.
        compared: Most runs of a table that are compared with each other.
    """

    parts: Mapping[str, Part]
    folders: Mapping[str, Path]
    badges: Mapping[str, str]
    withdrawn: Mapping[str, str]
    left_out: Sequence[Mapping[str, str]]
    gates: Sequence[Mapping[str, Any]]
    studies: Mapping[str, StudyTables | str]
    compared: int


def write_tables(folder: Path, content: Content, board: BoardFolder) -> set[str]:
    """Write everything the pages read, and return the names of the pairs that were used."""
    tables = group_parts(content.parts)
    cards = _agreed_cards(list(content.parts.values()))
    _write_parquet(folder / "runs.parquet", _run_table(tables, content))
    summaries = {
        table_id: table_summary(table_id, parts, cards, content.withdrawn) for table_id, parts in tables.items()
    }
    filled = [summary for summary in summaries.values() if not summary.empty]
    summary = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(SUMMARY_COLUMNS))
    _write_parquet(
        folder / "summary.parquet", with_texts(summary).sort_values(["table_id", "cut", "group"], kind="stable")
    )
    pairs, used, compared = _all_pairs(tables, summaries, content, board)
    _write_parquet(folder / "pairs.parquet", pairs)
    table_cards = [table_card(table_id, parts) | {"compared": compared[table_id]} for table_id, parts in tables.items()]
    _write_parquet(folder / "covariances.parquet", covariance_table(tables, table_cards))
    runs = {name: Run(content.folders[name]) for name in content.parts} if content.studies else {}
    write_json(folder / "tables.json", table_cards)
    write_json(folder / "cards.json", cards)
    write_json(folder / "advisories.json", advisories_of(cards))
    write_json(folder / "gates.json", list(content.gates))
    write_json(folder / "studies.json", [study_record(name, study, runs) for name, study in content.studies.items()])
    return used


def with_texts(summary: pd.DataFrame) -> pd.DataFrame:
    """A summary with `TEXTS`."""
    return summary.assign(
        interval=[interval(*ends) for ends in zip(summary.low, summary.high, strict=True)],
        rank=[rank(*ends) for ends in zip(summary.rank_low, summary.rank_high, strict=True)],
        scored=[f"{n}/{of}" for n, of in zip(summary.n_scored, summary.n_planned, strict=True)],
    )


def covariance_table(
    tables: Mapping[str, Mapping[str, Part]], table_cards: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """One row per run and cut: table_id, cut, group, run, and the packed covariance of the means of its metrics."""
    rows = []
    for card in table_cards:
        for name, part in tables[card["table_id"]].items():
            for cut, group, block in cuts(run_values(name, part)):
                matrix = mean_covariance(block, card["metric_ids"])
                rows.append((card["table_id"], cut, group, name, packed(matrix)))
    frame = pd.DataFrame(rows, columns=["table_id", "cut", "group", "run", "covariance"])
    return frame.sort_values(["table_id", "cut", "group"], kind="stable")


def write_json(path: Path, value: Any) -> None:
    """Write a value for people and programs."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _write_parquet(path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(path, index=False, row_group_size=ROWS_PER_GROUP)


def _run_table(tables: Mapping[str, Mapping[str, Part]], content: Content) -> pd.DataFrame:
    rows: list[dict[str, Any]] = [
        {
            "run": name,
            "label": f"{labels[name]} (withdrawn)" if name in content.withdrawn else labels[name],
            "table_id": table_id,
            "part": part.digest,
            "on_board": True,
            "status": part.status,
            "badge": content.badges[name],
            "withdrawn": content.withdrawn.get(name),
            **part.facts,
            **{f"n_{outcome}": count for outcome, count in part.summary["samples"].items()},
            **_costs(part.cost),
        }
        for table_id, parts in tables.items()
        for labels in [row_labels(parts)]
        for name, part in parts.items()
    ]
    rows += [{**item, "label": item["run"], "on_board": False} for item in content.left_out]
    frame = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    return frame.astype({name: "float64" for name in COSTS if name != "stages"})


def _costs(cost: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seconds": cost["seconds"],
        "seconds_low": cost["low"],
        "seconds_high": cost["high"],
        "stages": canonical_json(cost["stages"]),
        "peak_memory_bytes": cost["peak_memory_bytes"],
        "joules": cost["joules"],
    }


def _all_pairs(
    tables: Mapping[str, Mapping[str, Part]],
    summaries: Mapping[str, pd.DataFrame],
    content: Content,
    board: BoardFolder,
) -> tuple[pd.DataFrame, set[str], dict[str, list[str]]]:
    frames, used, compared = [], set(), {}
    for table_id, parts in tables.items():
        names = compared_runs(summaries[table_id], list(parts), content.compared)
        compared[table_id] = names
        chosen = {name: parts[name] for name in names}
        used |= {pair_name(parts[a], parts[b]) for index, a in enumerate(names) for b in names[index + 1 :]}
        frames.append(pair_table(table_id, chosen, content.folders, board))
    filled = [frame for frame in frames if not frame.empty]
    return (
        pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(PAIR_COLUMNS)),
        used,
        compared,
    )


def _agreed_cards(parts: Sequence[Part]) -> dict[str, dict[str, Any]]:
    """metric_id -> the card that most runs have, so that one odd run cannot turn a table upside down."""
    votes: dict[str, Counter[str]] = {}
    for part in parts:
        for metric_id, card in part.cards.items():
            votes.setdefault(metric_id, Counter())[canonical_json(card)] += 1
    return {metric_id: json.loads(counted.most_common(1)[0][0]) for metric_id, counted in votes.items()}
